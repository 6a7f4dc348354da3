"""Trials that Spark fits: the model of one process, whatever is killed on the way, and each trial counted once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually

import fairlead

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::FutureWarning")]

CONFIG = """
[model]
name = "churn"
task = "classification"
target = "Churn"
positive = "Churned"
id = "customerID"

[data]
train = "{data}"

[train]
learners = ["logistic", "hist_gradient_boosting"]
folds = 3
trials = {trials}
seconds = 600

[engine]
name = "spark"
master = "{master}"
"""


@pytest.fixture(scope="module", autouse=True)
def spark_there() -> Iterator[None]:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'fairlead[spark]'")
    if shutil.which("java") is None:
        pytest.skip("java is not installed: make test-deps")
    yield
    stop()


def stop() -> None:
    from pyspark.sql import SparkSession

    if (found := SparkSession.getActiveSession()) is not None:
        found.stop()


def project(folder: Path, data: Path, master: str, trials: int = 6) -> Any:
    folder.mkdir()
    (folder / "fairlead.toml").write_text(CONFIG.format(data=data, master=master, trials=trials))
    return fairlead.open(folder)


def journal(folder: Path) -> list[str]:
    """The trials that were counted, in order of their names."""
    lines = next((folder / ".fairlead" / "searches").iterdir()) / "trials.jsonl"
    return sorted(json.loads(line)["trial"] for line in lines.read_text().splitlines())


def workers_of(parent: int) -> list[int]:
    """Processes below this one in which Spark runs Python: not the daemon that forks them."""
    below: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(stat[1]), []).append(int(entry.name))
                names[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    found, waiting = [], [parent]
    while waiting:
        at = waiting.pop()
        for child in below.get(at, []):
            waiting.append(child)
            if "pyspark.daemon" in names.get(child, "") and "pyspark.daemon" in names.get(at, ""):
                found.append(child)
    return found


@pytest.mark.verified(
    "engines", "Tuning trials over Spark", how="run", by="local[2]: a Python worker killed with SIGKILL in a trial"
)
def test_the_model_is_that_of_one_process_although_a_task_was_killed(tmp_path: Path, churn_csv: Path) -> None:
    alone = project(tmp_path / "alone", churn_csv, "local[2]").train()
    there = project(tmp_path / "there", churn_csv, "local[2]")
    killed: list[int] = []
    over = threading.Event()

    def kill_one() -> None:
        def busy() -> list[int]:
            return [] if over.is_set() else workers_of(os.getpid())

        with contextlib.suppress(AssertionError):
            eventually(busy, within_s=90)
            for found in busy()[:1]:
                os.kill(found, signal.SIGKILL)
                killed.append(found)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        shared = there.train(engine="spark")
    finally:
        over.set()
        killer.join(100)
    assert len(killed) == 1
    assert shared["bundle"] == alone["bundle"]
    assert shared["learner"] == alone["learner"]
    said = ("name", "score", "parameters", "trials", "chosen")
    assert [[row[k] for k in said] for row in shared["leaderboard"]] == [
        [row[k] for k in said] for row in alone["leaderboard"]
    ]
    assert journal(tmp_path / "there") == journal(tmp_path / "alone")
    assert len(journal(tmp_path / "there")) == 6


def cluster(folder: Path) -> tuple[str, list[subprocess.Popen[bytes]]]:
    """A master and two workers of Spark's own, and the address of the master."""
    import socket

    import pyspark

    home = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_DIRS": str(folder / "local"), "SPARK_WORKER_DIR": str(folder / "work"),
    }  # fmt: skip
    begin = [str(home / "bin" / "spark-class")]
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    address = f"spark://127.0.0.1:{port}"
    worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g",
              "--webui-port", "0", address]  # fmt: skip
    started = []
    for number, words in enumerate((master, worker, worker)):
        with (folder / f"{number}.log").open("wb") as log:
            started.append(
                subprocess.Popen([*begin, *words], env=environ, stdout=log, stderr=log, start_new_session=True)
            )
        if number == 0:
            eventually(lambda: "I have been elected leader" in (folder / "0.log").read_text(), within_s=60)
    eventually(lambda: (folder / "0.log").read_text().count("Registering worker") == 2, within_s=60)
    return address, started


@pytest.mark.verified(
    "engines", "Tuning trials over a Spark cluster", how="run",
    by="standalone master, two workers; one worker and its executor killed in the search",
)  # fmt: skip
def test_a_worker_of_a_cluster_may_be_lost_in_the_search(tmp_path: Path, churn_csv: Path) -> None:
    stop()
    alone = project(tmp_path / "alone", churn_csv, "local[2]").train()
    address, started = cluster(tmp_path)
    over = threading.Event()
    lost: list[bool] = []

    def lose_one() -> None:
        executors = tmp_path / "work"

        def busy() -> bool:
            # The first executor has begun to run Python.
            logs = [path.read_text(errors="replace") for path in executors.glob("*/*/stderr")]
            return over.is_set() or any("Running task" in log or "Running " in log for log in logs)

        with contextlib.suppress(AssertionError):
            eventually(busy, within_s=120)
            if not over.is_set():
                # The worker and the executor that it started are one group.
                os.killpg(started[2].pid, signal.SIGKILL)
                lost.append(True)

    thread = threading.Thread(target=lose_one)
    thread.start()
    try:
        shared = project(tmp_path / "there", churn_csv, address).train(engine="spark")
    finally:
        over.set()
        thread.join(130)
        stop()
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
    assert lost
    assert shared["bundle"] == alone["bundle"]
    assert journal(tmp_path / "there") == journal(tmp_path / "alone")
