"""An exclusive lock between processes that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from fairlead.contract.errors import StateError

_POLL_S = 0.02


class FileLock:
    """flock on a file of its own. The file stays; only the lock on it means anything, so a stale file is harmless.

    The descriptor is not inherited by child processes, so a child that outlives the holder does not keep the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd >= 0

    def take(self, timeout_s: float = 0.0) -> bool:
        """Try to take the lock for up to `timeout_s` seconds; False if another holds it still."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return False
                time.sleep(_POLL_S)
            except BaseException:
                os.close(fd)
                raise
            else:
                self._fd = fd
                return True

    def release(self) -> None:
        """Let go; nothing happens if it is not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> FileLock:
        if not self.take(60.0):
            raise StateError(f"{self.path.name} is locked by another process for over a minute; is one stuck?")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
