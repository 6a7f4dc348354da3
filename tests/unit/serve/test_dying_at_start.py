"""Workers that die before they are ready: a server that never was ready ends, one that was goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from asking import HERE, ROW, deploy, server
from tests.conftest import eventually

from fairlead.contract.errors import RemoteError
from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.supervise import TRIES

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.errors import RemoteError
from fairlead.runtime.serve import ServeOptions, serve
home, workers, transport = sys.argv[1:]
try:
    serve(ServeOptions(home=Path(home), port=0, workers=int(workers), transport=transport, load="stand_in:load"), print)
except RemoteError as ended:
    sys.exit(f"said: {ended}")
"""


@pytest.mark.parametrize(("transport", "workers"), [("bare", 1), ("bare", 3), ("granian", 2)])
def test_a_server_that_nobody_can_work_for_ends_and_says_why(home: Path, transport: str, workers: int) -> None:
    deploy(home)
    (home / "spool").write_text("where a folder should be")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), str(workers), transport],
        env={**os.environ, "PYTHONPATH": str(HERE)}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == "", "nobody was told that it is ready"
    *_, said = done.stderr.strip().splitlines()
    assert said.startswith("said: no worker could start, and nobody was ever answered: ")
    assert f"ended {TRIES} times (exit 1, NotADirectoryError)" in said
    assert str(home) not in said
    assert live_workers(home) == []


def test_the_program_for_containers_ends_with_one(home: Path) -> None:
    deploy(home)
    (home / "spool").write_text("where a folder should be")
    done = subprocess.run(
        [sys.executable, "-m", "fairlead.runtime.serve", "--home", str(home), "--port", "0"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("no worker could start")


def test_a_server_that_was_ready_waits_until_workers_can_start_again(home: Path) -> None:
    deploy(home)
    with server(home) as live:
        (home / "spool").rename(home / "spool.away")
        (home / "spool").write_text("where a folder should be")
        (worker,) = live_workers(home)
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: live.log.read_text().count("a worker could not go on") > TRIES, 30.0, "it is tried again")
        (home / "spool").unlink()
        (home / "spool.away").rename(home / "spool")
        eventually(lambda: len(live_workers(home)) == 1, 30.0, "a worker lives again")
        assert httpx.post(f"{live.url}/predict", json=ROW, timeout=10).status_code == 200
        assert live.stop() == 0


def test_what_it_raises_is_of_another_process() -> None:
    from fairlead.contract.errors import WorkersDied

    assert issubclass(WorkersDied, RemoteError)
