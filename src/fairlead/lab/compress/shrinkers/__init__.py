"""Ways to make a model smaller, behind the port `shrinker`: what each tries, and what it does to a fitted model."""
