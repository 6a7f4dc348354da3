"""Ray Serve: one replica behind its HTTP proxy, a deployment class with an ASGI-free handler."""

import os
import sys

import joblib
import pandas as pd
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 1})
class Churn:
    """The pipeline, loaded once a replica."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    async def __call__(self, request: Request) -> list[list[float]]:
        """Probabilities of each row."""
        return self.pipeline.predict_proba(pd.DataFrame(await request.json())).tolist()


if __name__ == "__main__":
    import signal

    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Churn.bind())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
