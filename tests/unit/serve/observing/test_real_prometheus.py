"""A real Prometheus scrapes a real server: counts stay exact while workers are killed and replaced under load."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from running import Asking, running
from test_dashboard import expressions
from test_watchers import FULL, left
from tests.conftest import eventually

from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.observing.errors import error_groups

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: fairlead
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextlib.contextmanager
def prometheus(folder: Path, port: int) -> Iterator[str]:
    """Its address."""
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("prometheus (Debian package prometheus) is missing")
    (folder / "prometheus.yml").write_text(CONFIG.format(port=port))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [found, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address={address}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=(folder / "prometheus.log").open("wb"),
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, query: str) -> float:
    """The one number of a query; NaN where there is none yet."""
    with contextlib.suppress(httpx.HTTPError):
        found: list[Any] = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()["data"]["result"]
        if found:
            return float(found[0]["value"][1])
    return float("nan")


def settled(url: str, query: str, expected: float, within_s: float = 20.0) -> None:
    eventually(lambda: asked(url, query) == expected, within_s, f"{query} is {expected}, not {asked(url, query)}:")


def kill_one(home: Path, load: Asking) -> None:
    """Kill a worker in the midst of its work and wait for its replacement."""
    victim = min(worker.pid for worker in live_workers(home))
    answered = load.codes.get(200, 0)
    eventually(lambda: load.codes.get(200, 0) > answered + 200, 20.0, "load flows")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len([w for w in live_workers(home) if w.pid != victim]) == 2, 20.0, "it is replaced")


def counted(text: str, code: int) -> float:
    """Requests for predictions by their code, over all variants."""
    return sum(map(float, re.findall(rf'fairlead_requests_total{{.*protocol="native",code="{code}"}} (\S+)', text)))


def test_counts_are_exact_in_prometheus_when_workers_are_killed(home: Path, tmp_path: Path) -> None:
    left(home / "run", "churn", msgspec.json.encode(msgspec.structs.replace(FULL, model="churn")))
    with running(home, workers=2) as server, prometheus(tmp_path, server.port) as url:
        eventually(lambda: len(live_workers(home)) == 2, 20.0, "both workers are there")
        with Asking(server.port) as load:
            for _ in range(3):
                kill_one(home, load)
        text = httpx.get(f"{server.url}/metrics").text
        answered, refused = counted(text, 200), counted(text, 400)
        # Who was killed may have counted what it then could not answer, and never the other way round.
        assert load.codes.keys() == {200, 400}
        assert load.codes[200] <= answered
        assert load.codes[400] <= refused
        assert answered + refused - sum(load.codes.values()) <= load.lost
        (group,) = error_groups(home / "run")
        assert (group.cause, group.column) == ("CellInvalid", "tenure")
        # Each of the three that were killed may have counted one that it then could not group.
        assert 0 <= refused - group.count <= 3
        eventually(lambda: "'tenure'" in error_groups(home / "run")[0].example, 30.0, "an example is written")
        settled(url, 'sum(fairlead_requests_total{code="200",protocol="native"})', answered)
        timed = float(re.findall(r"\nrequest_predict_seconds_count{.*} (\S+)", text)[0])
        assert load.codes[200] <= timed <= answered  # a tick is counted at once, its times one by one
        settled(url, "sum(request_predict_seconds_count)", timed)
        settled(url, 'sum(fairlead_errors_total{cause="CellInvalid"})', group.count)
        settled(url, 'sum(fairlead_worker_starts_total{worker=~"0|1"})', 5)
        settled(url, "max(fairlead_requests_in_flight)", 1)  # the scrape itself
        settled(url, 'up{job="fairlead"}', 1)
        target = httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"][0]
        assert target["lastError"] == ""
        for panel, expression in expressions().items():
            found = httpx.get(f"{url}/api/v1/query", params={"query": expression}).json()
            assert found["status"] == "success", (panel, found)
            empty = any(
                word in expression
                for word in (
                    "_events_",
                    "_spans_",
                    "_outside_population_",
                    "_breaking_contract_",
                    "_anomalous_",
                    "> 0",
                    "== 0",
                )
            )
            assert bool(found["data"]["result"]) is not empty, panel


def test_a_server_that_starts_anew_counts_from_zero(home: Path) -> None:
    with running(home) as server, Asking(server.port, 1):
        eventually(lambda: error_groups(home / "run"), 20.0, "errors are grouped")
    assert error_groups(home / "run"), "they are still there to be looked at when the server is gone"
    with running(home) as server:
        assert 'code="200"} ' not in httpx.get(f"{server.url}/metrics").text.replace('http",code="200"', "")
        assert error_groups(home / "run") == []
