"""MLflow's own SQLite file in the home, made quickly and by one process at a time."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fairlead.contract.errors import MissingExtra, StateError
from fairlead.ops.state.filelock import FileLock

FILE = "mlflow.db"
LOCK_S = 120.0


QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    # Each would be a second thing on stdout, or a bar for files of kilobytes.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Its own seven tries take four minutes to find a server gone, two minutes each for one that hangs.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""How MLflow behaves in our processes; what the person's environment says comes first."""


def quiet() -> None:
    """Make it so; whoever is about to import mlflow calls this before."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def quiet_mlflow() -> Any:
    """The mlflow client class, with telemetry off and its chatter about migrations kept to warnings.

    Raises MissingExtra.
    """
    quiet()
    try:
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as missing:
        raise MissingExtra("mlflow-skinny", "studio") from missing
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient


def prepare(home: Path | str) -> Path:
    """The home's MLflow database, made if there is none. Safe to call from several processes at once.

    MLflow's first schema is some sixty migrations, each with its own fsync; made where nothing is synced and
    moved into place whole, it takes a fifth of the time, and a crash leaves no half of it.
    """
    path = Path(home) / FILE
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{FILE}.lock")
    if not lock.take(LOCK_S):
        raise StateError(f"{FILE} is being made by another process for over {LOCK_S:.0f} s; is one stuck?")
    try:
        if not path.exists():
            _make(path)
    finally:
        lock.release()
    return path


def _make(path: Path) -> None:
    client = quiet_mlflow()
    memory = Path("/dev/shm")  # noqa: S108
    place = str(memory) if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fairlead-", dir=place) as folder:
        made = Path(folder) / FILE
        uri = f"sqlite:///{made}"
        client(tracking_uri=uri, registry_uri=uri).search_registered_models(max_results=1)
        _dispose(uri)
        temporary = path.with_name(f".{FILE}.{os.getpid()}")
        shutil.copyfile(made, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o600)
        os.replace(temporary, path)


def _dispose(uri: str) -> None:
    """Let go of MLflow's cached connections to a file that is about to vanish."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engines = getattr(SqlAlchemyStore, "_engine_map", {})
    for key in [k for k in engines if uri in str(k)]:
        engines.pop(key).dispose()


def prepare_in_background(home: Path | str) -> subprocess.Popen[bytes]:
    """Start `prepare` in a process of its own, so that it is done by the time a training is.

    Whoever needs the database meanwhile calls `prepare` and waits for it. The caller owns the process.
    """
    words = [sys.executable, "-c", "import sys; from fairlead.ops.registry import prepare; prepare(sys.argv[1])"]
    return subprocess.Popen(  # noqa: S603
        [*words, str(home)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
