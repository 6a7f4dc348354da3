"""BentoML: a service class whose API takes the rows of a DataFrame, as its documentation shows for tabular models."""

import os

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Churn:
    """The pipeline, loaded once a worker."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[list[float]]:
        """Probabilities of each row."""
        return self.pipeline.predict_proba(pd.DataFrame(rows)).tolist()
