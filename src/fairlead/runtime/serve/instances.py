"""Whose records are whose: the folder where processes of a home report, and a name that one of them alone holds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fairlead.contract.errors import UsageError

_PATIENCE_S = 3.0


@contextlib.contextmanager
def run_folder(home: Path | None) -> Iterator[Path]:
    """`run/` of the home; without one a temporary folder that goes with the server."""
    if home is not None:
        run = Path(home) / "run"
        run.mkdir(parents=True, exist_ok=True)
        yield run
        return
    folder = tempfile.mkdtemp(prefix="fairlead-")
    try:
        run = Path(folder) / "run"
        run.mkdir()
        yield run
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def held_instance(run: Path, wanted: str) -> Iterator[str]:
    """A name that no other live server of this home has; the same again after a restart.

    The lock is inherited by the workers, so a name is free only when the last of them has gone.
    """
    base = re.sub(r"[^A-Za-z0-9]+", "-", wanted or socket.gethostname()).strip("-").lower()[:40] or "server"
    for number in range(1, 1000):
        name = base if number == 1 else f"{base}-{number}"
        fd = os.open(run / f"instance-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(fd):
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, str(os.getpid()).encode(), 0)
                yield name
            finally:
                os.close(fd)
            return
        os.close(fd)
    raise UsageError("a thousand servers run on this home already.")


def _lock(fd: int) -> bool:
    """Whether the lock was had; waits where its supervisor is dead and only its workers still drain."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if _lives(os.pread(fd, 32, 0)) or time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _lives(pid: bytes) -> bool:
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
