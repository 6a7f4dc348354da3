"""LitServe: setup, decode, predict, encode, one worker, its batching off, as single rows want it."""

import os
import sys

import joblib
import litserve
import pandas as pd


class Churn(litserve.LitAPI):
    """The pipeline, loaded once a worker."""

    def setup(self, device: str) -> None:
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    def decode_request(self, request: dict) -> pd.DataFrame:
        return pd.DataFrame(request["rows"])

    def predict(self, rows: pd.DataFrame) -> list:
        return self.pipeline.predict_proba(rows).tolist()

    def encode_response(self, answer: list) -> dict:
        return {"predictions": answer}


if __name__ == "__main__":
    litserve.LitServer(Churn(), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False
    )
