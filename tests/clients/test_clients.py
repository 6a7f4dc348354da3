"""Other people's clients against a real server: each in a process of its own, as they would be in real life."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.clients.conftest import Served
from tests.clients.environments import python_of
from tests.conftest import environment

HERE = Path(__file__).parent


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
