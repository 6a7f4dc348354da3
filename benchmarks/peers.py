"""Fairlead beside the servers that people use now: the same fitted pipeline, the same rows, one worker each.

Scenario `peers`: single rows at 32 connections, requests a second and server CPU per request, rounds alternating.
Each peer runs in an environment of its own under `.venv-peers/` (made here if missing, about 4 GB in all) as its
documentation recommends for such a model; its answers are compared with the pipeline's before anything is measured.
The pipeline is histogram gradient boosting behind imputation, scaling and one-hot encoding of 15 columns.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import models
import server

HERE = Path(__file__).parent
SERVICES = HERE / "peers"
ENVIRONMENTS = HERE.parent / ".venv-peers"
UV = HERE.parent / ".venv" / "bin" / "uv"
ROUNDS = 5
SAME = [f"{name}=={version(name)}" for name in ("scikit-learn", "pandas", "numpy")]
PACKAGES = {
    "mlflow": ["mlflow==3.17.2"],
    "bentoml": ["bentoml==1.4.39"],
    "mlserver": ["mlserver==1.7.1", "mlserver-sklearn==1.7.1"],
    "rayserve": ["ray[serve]==2.60.0"],
    "litserve": ["litserve==0.2.19", "python-multipart"],
    "fastapi": ["fastapi==0.165.0", "uvicorn[standard]==0.54.0", "joblib", "onnxruntime"],
}
Answered = Callable[[Any], list[float]]


class Peer:
    """How a server is started, asked and understood. form: rows as it wants them; take: its probabilities."""

    def __init__(
        self, environment: str, command: Callable[[Path, int], list[str]], path: str, form: Any, take: Answered
    ) -> None:
        self.environment, self.command, self.path, self.form, self.take = environment, command, path, form, take


def program(environment: str, name: str) -> str:
    """A program of a peer's environment."""
    return str(ENVIRONMENTS / environment / "bin" / name)


def pandas_inputs(row: dict[str, Any]) -> bytes:
    """One row for MLServer's pandas codec."""
    inputs = [
        {
            "name": name,
            "shape": [1, 1],
            "datatype": "FP64" if name in models.NUMBERS else "BYTES",
            "data": [cell],
            "parameters": {} if name in models.NUMBERS else {"content_type": "str"},
        }
        for name, cell in row.items()
    ]
    asked = {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}
    return json.dumps(asked).encode()


def complete(count: int = 200) -> list[dict[str, Any]]:
    """Rows without missing cells: not every peer's protocol has a way to say so."""
    return [row for row in models.rows(count) if None not in row.values()]


def plain(row: dict[str, Any]) -> bytes:
    return json.dumps([row]).encode()


def named(row: dict[str, Any]) -> bytes:
    return json.dumps({"rows": [row]}).encode()


PEERS = {
    "fastapi-joblib": Peer(
        "fastapi",
        lambda folder, port: [
            program("fastapi", "uvicorn"), "--app-dir", str(SERVICES), "service_fastapi:app", "--port", str(port),
            "--workers", "1", "--log-level", "warning", "--no-access-log",
        ],
        "/predict", plain, lambda said: said[0],
    ),
    "fastapi-onnxruntime": Peer(
        "fastapi",
        lambda folder, port: [
            program("fastapi", "uvicorn"), "--app-dir", str(SERVICES), "service_onnx:app", "--port", str(port),
            "--workers", "1", "--log-level", "warning", "--no-access-log",
        ],
        "/predict", plain, lambda said: said[0],
    ),
    "litserve": Peer(
        "litserve",
        lambda folder, port: [program("litserve", "python"), str(SERVICES / "service_litserve.py"), str(port)],
        "/predict", named, lambda said: said["predictions"][0],
    ),
    "mlflow": Peer(
        "mlflow",
        lambda folder, port: [
            program("mlflow", "mlflow"), "models", "serve", "-m", str(folder / "mlflow"), "-p", str(port),
            "-h", "127.0.0.1", "--env-manager", "local", "--workers", "1",
        ],
        "/invocations",
        lambda row: json.dumps({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}).encode(),
        lambda said: said["predictions"][0],
    ),
    "bentoml": Peer(
        "bentoml",
        lambda folder, port: [
            program("bentoml", "bentoml"), "serve", "service_bentoml:Churn", "--working-dir", str(SERVICES),
            "--host", "127.0.0.1", "--port", str(port),
        ],
        "/predict", named, lambda said: said[0],
    ),
    "mlserver": Peer(
        "mlserver",
        lambda folder, port: [program("mlserver", "mlserver"), "start", str(folder / "mlserver")],
        "/v2/models/churn/infer", pandas_inputs, lambda said: said["outputs"][0]["data"],
    ),
    "rayserve": Peer(
        "rayserve",
        lambda folder, port: [program("rayserve", "python"), str(SERVICES / "service_rayserve.py"), str(port)],
        "/", plain, lambda said: said[0],
    ),
}  # fmt: skip


def environment(name: str) -> None:
    """Make a peer's environment unless it is there."""
    if (ENVIRONMENTS / name / "bin" / "python").exists():
        return
    print(f"    making .venv-peers/{name}", file=sys.stderr)
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, ENVIRONMENTS / name], check=True)
    python = ENVIRONMENTS / name / "bin" / "python"
    subprocess.run(
        [UV, "pip", "install", "-q", "--compile-bytecode", "--python", python, *PACKAGES[name], *SAME], check=True
    )


def artefacts(folder: Path, port: int) -> dict[str, str]:
    """The fitted pipeline in every form a peer takes; environment variables that say where."""
    import joblib

    pipeline = models.fitted("boosted")
    joblib.dump(pipeline, folder / "pipeline.joblib")
    save = (
        "import joblib, sys, mlflow.sklearn; mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], "
        "pyfunc_predict_fn='predict_proba', serialization_format='cloudpickle')"
    )
    subprocess.run(
        [program("mlflow", "python"), "-c", save, str(folder / "pipeline.joblib"), str(folder / "mlflow")],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / "mlserver").mkdir()
    joblib.dump(pipeline, folder / "mlserver" / "model.joblib")
    settings = {"debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": server.free_port(),
                "metrics_port": server.free_port(), "parallel_workers": 0}  # fmt: skip
    (folder / "mlserver" / "settings.json").write_text(json.dumps(settings))
    model = {"name": "churn", "implementation": "mlserver_sklearn.SKLearnModel",
             "parameters": {"uri": "./model.joblib"},
             "outputs": [{"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]}]}  # fmt: skip
    (folder / "mlserver" / "model-settings.json").write_text(json.dumps(model))
    front = pipeline.named_steps["front"]
    imputer, scaler = (front.named_transformers_["numbers"].named_steps[name] for name in ("impute", "scale"))
    figures = zip(models.NUMBERS, imputer.statistics_, scaler.mean_, scaler.scale_, strict=True)
    place, categories = len(models.NUMBERS), {}
    for name, known in zip(models.CATEGORIES, front.named_transformers_["categories"].categories_, strict=True):
        categories[name] = {value: place + at for at, value in enumerate(known)}
        place += len(known)
    numbers = {name: [float(a), float(b), float(c)] for name, a, b, c in figures}
    prepared = {"numbers": numbers, "categories": categories, "width": place}
    (folder / "prepared.json").write_text(json.dumps(prepared))
    return {"PIPELINE": str(folder / "pipeline.joblib"), "PREPARED": str(folder / "prepared.json")}


def ask(port: int, peer: Peer, row: dict[str, Any]) -> list[float]:
    """The probabilities that a server answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{peer.path}", peer.form(row), {"content-type": "application/json"}
    )
    return [float(p) for p in peer.take(json.load(urllib.request.urlopen(request, timeout=20)))]


@contextlib.contextmanager
def running(name: str, peer: Peer, folder: Path, port: int, environ: dict[str, str]) -> Iterator[int]:
    """A peer that answers; its process group ends with it."""
    log = (folder / f"{name}.log").open("wb")
    found = os.pathsep.join([str(ENVIRONMENTS / peer.environment / "bin"), os.environ["PATH"]])
    process = subprocess.Popen(
        peer.command(folder, port), env={**os.environ, **environ, "OMP_NUM_THREADS": "1", "PATH": found}, cwd=folder,
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        row, until = complete()[0], time.monotonic() + 120
        while True:
            try:
                ask(port, peer, row)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{name} did not start: {(folder / f'{name}.log').read_text()[-2000:]}") from None
                time.sleep(0.2)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def one_peer(name: str, peer: Peer, folder: Path, environ: dict[str, str], ours: tuple[int, Path, int]) -> Any:
    """A peer against Fairlead, in turns."""
    import pandas as pd

    environment(peer.environment)
    port = json.loads((folder / "mlserver" / "settings.json").read_text())["http_port"]
    port = port if name == "mlserver" else server.free_port()
    rows = complete()
    bodies = folder / f"{name}.txt"
    bodies.write_bytes(b"\n".join(peer.form(row) for row in rows))
    expected = models.fitted("boosted").predict_proba(pd.DataFrame(rows)[list(models.COLUMNS)])
    with running(name, peer, folder, port, environ) as pid:
        worst = max(
            abs(a - float(b)) for row, e in zip(rows[:20], expected, strict=False)
            for a, b in zip(ask(port, peer, row), e, strict=True)
        )  # fmt: skip
        found, fairlead = [], []
        for _ in range(ROUNDS):
            found.append(server.load(port, 32, bodies, peer.path, pid))
            fairlead.append(server.load(ours[0], 32, ours[1], server.PATH, ours[2]))
    times = [f["rate"] / p["rate"] for f, p in zip(fairlead, found, strict=True)]
    cpu = [p["cpu_us"] / f["cpu_us"] for f, p in zip(fairlead, found, strict=True)]
    return {
        "times_faster": round(statistics.median(times), 1),
        "times_range": [round(min(times), 1), round(max(times), 1)],
        "times_less_cpu": round(statistics.median(cpu), 1),
        "rate": server.middle([f["rate"] for f in found]),
        "cpu_us": server.middle([f["cpu_us"] for f in found]),
        "fairlead_rate": server.middle([f["rate"] for f in fairlead]),
        "errors": sum(f["errors"] for f in found),
        "difference": worst,
    }


def main() -> None:
    chosen = sys.argv[1:] or list(PEERS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in {PEERS[name].environment for name in chosen} | {"mlflow"}:
            environment(name)
        environ = artefacts(folder, server.free_port())
        bundle = models.seal("boosted", folder / "fairlead")
        environ["ONNX"] = str(bundle / "model" / "tail.onnx")
        port, bodies = server.free_port(), folder / "v2.txt"
        bodies.write_bytes(b"\n".join(models.v2(row) for row in complete()))
        answer: dict[str, Any] = {"scenario": "peers", "detail": {}}
        with server.running(server.command(folder / "fairlead", bundle, port), port) as (process, _):
            server.check(port, "boosted", complete(50))
            for name in chosen:
                found = one_peer(name, PEERS[name], folder, environ, (port, bodies, process.pid))
                answer[f"{name}_times"] = found["times_faster"]
                answer["detail"][name] = found
                print(f"    {name}: {found['times_faster']} x", file=sys.stderr)
        three = [answer[f"{name}_times"] for name in ("mlflow", "bentoml", "rayserve") if f"{name}_times" in answer]
        if three:
            answer["median_of_mlflow_bentoml_rayserve"] = statistics.median(three)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
