"""Other people's clients against a real server: each in a process of its own, as they would be in real life."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.clients.conftest import Served
from tests.clients.environments import python_of
from tests.conftest import environment

HERE = Path(__file__).parent
JSON = ("-H", "content-type: application/json")


def run(client: str, served: Served, python: str = sys.executable) -> None:
    """Every check of a client's journey."""
    done = subprocess.run(
        [python, str(HERE / f"{client}.py"), str(served.case)],
        capture_output=True, text=True, timeout=180, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    wanted = [
        line.split("(")[0][4:] for line in (HERE / f"{client}.py").read_text().splitlines() if "def check_" in line
    ]
    assert [line[3:] for line in done.stdout.splitlines() if line.startswith("ok ")] == wanted


@pytest.mark.parametrize(
    ("client", "library"),
    [
        ("with_tritonclient_http", "tritonclient"),
        ("with_tritonclient_grpc", "tritonclient"),
        ("with_grpcio", "grpc_tools"),
        ("with_httpx", "httpx"),
        ("with_mlflow", "mlflow"),
    ],
)
def test_a_client_that_is_installed_beside_us(served: Served, client: str, library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} (pip) is missing")
    run(client, served)


def test_kserve_in_an_environment_of_its_own(served: Served) -> None:
    run("with_kserve", served, python_of("kserve"))


def curl(served: Served, path: str, *more: str, body: object = None) -> tuple[int, str]:
    """Code and body of one request by curl."""
    if shutil.which("curl") is None:
        pytest.skip("curl (Debian package curl) is missing")
    sent = [] if body is None else ["-d", json.dumps(body)]
    words = ["curl", "-s", "-w", "\n%{http_code}", f"http://{served.http}{path}", *sent, *more]
    said, _, code = subprocess.run(words, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return int(code), said


def test_curl(served: Served) -> None:
    told = served.told
    rows, expected = told["rows"], told["expected"]
    labels = {"predictions": [one["label"] for one in expected]}
    for path, body, answer in (
        ("/invocations/churn", {"dataframe_records": rows}, labels),
        ("/v1/models/churn:predict", {"instances": rows}, labels),
        ("/score", {"input_data": rows}, labels["predictions"]),
    ):
        code, said = curl(served, path, *JSON, body=body)
        assert (code, json.loads(said)) == (200, answer), path
        # Without a header of its own curl says that it sends a form, which MLflow's protocol refuses.
        assert curl(served, path, body=body)[0] == (415 if "invocations" in path else 200), path
    for path, body, wanted in (("/predict", rows, expected), ("/predict/churn", rows[0], expected[:1])):
        code, said = curl(served, path, *JSON, body=body)
        found = json.loads(said)["predictions"]
        assert code == 200
        assert [one["label"] for one in found] == [one["label"] for one in wanted]
        assert [one["probabilities"] for one in found] == [pytest.approx(one["probabilities"]) for one in wanted]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/churn/ready", "/v2", "/v2/models/churn", "/ping"):
        assert curl(served, path)[0] == 200, path
    for path, body, code, words in (
        ("/predict/nothing", rows, 404, "no such model"),
        ("/predict", [{**rows[0], "colour": "red"}], 400, "columns unknown: colour"),
        ("/invocations", {"dataframe_records": [{**rows[0], "tenure": "long"}]}, 400, "column 'tenure': found text"),
        ("/v1/models/churn:predict", {"rows": rows}, 400, "instances"),
        ("/v2/models/churn/infer", {"inputs": []}, 400, "columns missing"),
    ):
        found, said = curl(served, path, *JSON, body=body)
        assert (found, words in said) == (code, True), (path, said)
