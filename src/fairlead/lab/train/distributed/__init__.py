"""Learning on several processes or machines: models that Spark fits, trials that it runs, networks that are divided."""
