"""FastAPI with a joblib pipeline and a typed body, served by uvicorn."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges")
PIPELINE = joblib.load(os.environ["PIPELINE"])
COLUMNS = list(PIPELINE.feature_names_in_)
Row = create_model("Row", **{name: (float | None if name in NUMBERS else str | None, ...) for name in COLUMNS})
app = FastAPI()


@app.post("/predict")
def predict(rows: list[Row]) -> list[list[float]]:
    """Probabilities of each row."""
    return PIPELINE.predict_proba(pd.DataFrame([row.model_dump() for row in rows])).tolist()
