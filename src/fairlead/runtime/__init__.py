"""What answers: the base install. Loads none of mlflow, sklearn, pandas, scipy, torch, sqlalchemy, pyspark, pyarrow."""
