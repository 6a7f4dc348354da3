"""A spool with somebody who tends it, off the request path: it gets blocks before it needs them, is brought to the
disk by interval, and turned when asked."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from fairlead.contract.routes import Routes
from fairlead.contract.settings import CaptureSettings
from fairlead.runtime.capture.keys import configure, current
from fairlead.runtime.capture.locking import opens
from fairlead.runtime.capture.spool import SUFFIX, Spool

TURN = "turn"
"""A file of this name in a worker's folder asks for a new segment; whoever asks makes it, the worker removes it."""
_POLL_S = 0.1
_ILL = (logging.ERROR, "the spool cannot be brought to the disk: a loss of power now costs captured rows")
_WELL = (logging.WARNING, "the spool is brought to the disk again")
_log = logging.getLogger("fairlead.capture")


def open_spool(home: Path, instance: str, worker: str, capture: CaptureSettings | None = None) -> TendedSpool:
    """The spool of a worker as the settings want it. Raises ConfigInvalid where its key cannot be had."""
    wanted = capture or CaptureSettings()
    every_s = wanted.fsync_s if wanted.fsync == "interval" else None
    return TendedSpool(
        every_s, Path(home) / "spool", instance, worker, Routes(0).limits.max_spool_bytes, key=current(home)
    )


class TendedSpool(Spool):
    """every_s: seconds between two times that it is brought to the disk; None leaves that to the system."""

    def __init__(self, every_s: float | None, *where: Any, **how: Any) -> None:
        super().__init__(*where, durable=every_s is not None, **how)
        self._every_s = every_s
        self._over = threading.Event()
        # How often it was brought to the disk since somebody asked, how long that took in all, and at most.
        self._synced = (0, 0.0, 0.0)
        self._thread = threading.Thread(target=self._tend, name="fairlead-spool", daemon=True)
        self._thread.start()

    def _tend(self) -> None:
        asked, synced, well = self.folder / TURN, time.monotonic(), True
        while not self._over.wait(_POLL_S if self._every_s is None else min(_POLL_S, self._every_s)):
            try:
                if asked.exists():
                    os.unlink(asked)
                    self.turn()
                self.prepare()
                if self._every_s is not None and time.monotonic() - synced >= self._every_s:
                    # A disk that takes long is given as long again before it is asked the next time.
                    began = time.monotonic()
                    done = self.sync()
                    self._count(time.monotonic() - began)
                    if done is not well:
                        well = done
                        _log.log(*(_WELL if well else _ILL))
                    synced = time.monotonic()
            except Exception:
                _log.exception("tending the spool failed once, going on")

    def _count(self, took: float) -> None:
        times, total, most = self._synced
        self._synced = times + 1, total + took, max(most, took)

    def synced(self) -> tuple[int, float, float]:
        """How often it was brought to the disk since the last call, and how long that took in all and at most, in s."""
        # Whoever asks is another thread: what falls between these two is told the next time or not at all.
        told, self._synced = self._synced, (0, 0.0, 0.0)
        return told

    def close(self) -> None:
        """End tending, then as a spool."""
        self._over.set()
        self._thread.join(timeout=30.0)
        super().close()


def take_keys(home: Path, setting: str) -> None:
    """What a server does before its workers start: take up `capture.encrypt`, and see that it has all keys it needs.

    Raises ConfigInvalid for a key that cannot be had, be it for what is new or for what lies in the spool.
    """
    configure(home, setting)
    for path in sorted((Path(home) / "spool").glob(f"*/*/*{SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):
            opens(path)
