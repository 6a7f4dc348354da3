"""FastAPI written by hand around onnxruntime: the preparation as plain Python, no validation, no capture, no metrics.

PREPARED: a JSON file with medians, means, scales and the place of each category; ONNX: the model itself.
"""

import json
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request

with open(os.environ["PREPARED"]) as file:
    PREPARED = json.load(file)
NUMBERS = [(name, *PREPARED["numbers"][name]) for name in PREPARED["numbers"]]
CATEGORIES = [(name, PREPARED["categories"][name]) for name in PREPARED["categories"]]
WIDTH = PREPARED["width"]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
SESSION = onnxruntime.InferenceSession(os.environ["ONNX"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> list[list[float]]:
    """Probabilities of each row."""
    rows = await request.json()
    matrix = np.zeros((len(rows), WIDTH))
    for at, row in enumerate(rows):
        for place, (name, median, mean, scale) in enumerate(NUMBERS):
            value = row[name]
            matrix[at, place] = ((median if value is None else value) - mean) / scale
        for name, places in CATEGORIES:
            place = places.get(row[name])
            if place is not None:
                matrix[at, place] = 1.0
    return SESSION.run(None, {"x": matrix})[0].tolist()
