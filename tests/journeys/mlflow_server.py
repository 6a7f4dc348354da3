"""A real MLflow server for a test: the full package in an environment of its own, on a free port, gone at the end."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.clients.environments import _make
from tests.conftest import ROOT, eventually

LOCK = ROOT / "requirements" / "server-mlflow.txt"
FOLDER = ROOT / ".venv-server-mlflow"
CALM = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


def server_python() -> Path:
    """The interpreter of `.venv-server-mlflow`, which holds exactly what its lock says."""
    stamp, wanted = FOLDER / "lock.sha256", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    python = FOLDER / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        _make(FOLDER, python, LOCK)
        stamp.write_text(wanted)
    return python


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class MlflowServer:
    """One server over SQLite and a folder of artifacts; it can be stopped and started again with what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(server_python()), *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **CALM}, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        eventually(self._well, within_s=120, what="the MLflow server to answer")

    def _well(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End it and every worker of it."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
        self._process = None
