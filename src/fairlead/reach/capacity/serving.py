"""A server of one bundle, started to be measured: the data plane as an image runs it, with a home of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fairlead.contract.errors import WorkersDied

READY_S = 180.0
STOP_S = 20.0
_PROGRAM = """
import contextlib, ctypes, signal, sys
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: it ends with the load test, also by kill -9
from fairlead.runtime.serve.__main__ import main
sys.exit(main())
"""
_LEFT_OUT = ("FAIRLEAD_KEY", "FAIRLEAD_HOME")


@contextlib.contextmanager
def measured_server(bundle: Path, signer: str, workers: int, *, native: bool = False) -> Iterator[tuple[str, int]]:
    """(URL, process id) of a server on a free port of this machine; records go to a folder that is thrown away.

    Raises WorkersDied with what it said where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="fairlead-loadtest-") as folder:
        command = [
            sys.executable, "-c", _PROGRAM, "--bundle", str(bundle), "--home", folder, "--trust", signer,
            "--workers", str(workers), "--port", "0", *(["--trust-native"] if native else []),
        ]  # fmt: skip
        environ = {name: said for name, said in os.environ.items() if name not in _LEFT_OUT}
        log = Path(folder) / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=out, stderr=subprocess.STDOUT, env=environ, start_new_session=True
            )
        try:
            yield _ready(process, log), process.pid
        finally:
            _stop(process)


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"ready: (\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise WorkersDied(f"the server to be measured did not start: {log.read_text(errors='replace')[-600:].strip()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_S)
