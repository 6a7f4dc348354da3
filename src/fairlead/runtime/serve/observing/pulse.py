"""A worker's beats: every few seconds what it did and used since the last, from counters that are kept anyway.

Nothing here is on the request path. The thread that follows the routes sleeps a tenth of a second at a time; how late
it wakes tells how long the whole process was held back.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from fairlead.contract.beats import BEAT_S, LATENCIES, Answered, Beat
from fairlead.runtime.serve.counters import Counters, Series
from fairlead.runtime.serve.observing import machine
from fairlead.runtime.serve.observing.beats import Ring, beats_path, forget_old
from fairlead.runtime.serve.observing.processes import folder_bytes
from fairlead.runtime.serve.observing.unlike import Callers

_MOST_CALLERS = 5
_log = logging.getLogger("fairlead.serve")


class Spooled(Protocol):
    """What a spool tells of itself."""

    folder: Path
    max_bytes: int

    def synced(self) -> tuple[int, float, float]:
        """How often it was brought to the disk since the last call, how long that took in all, and at most."""
        ...


class Pulse:
    """Made by the thread that answers; `wait` is called by one other, again and again.

    spool: None where nothing is captured. role: of the worker, see `WorkerStatus`.
    """

    def __init__(
        self, run: Path, instance: str, slot: int, role: str, counters: Counters, spool: Spooled | None = None,
        callers: Callers | None = None,
    ) -> None:  # fmt: skip
        self._about: tuple[str, int, str] = (instance, slot, role)
        self._run, self._counters, self._spool = Path(run), counters, spool
        self._callers = callers or Callers()
        self._busiest = counters.index(("busiest_caller",))
        self._ident, self._native = threading.get_ident(), threading.get_native_id()
        if slot == 0:
            forget_old(self._run, instance)
        self._ring = Ring(beats_path(run, instance, slot))
        self._in_flight = counters.index(("in_flight",))
        self._most_in_flight = 0.0
        self._held = self._held_most = 0.0
        self._counts: dict[Series, list[float]] = counters.snapshot()
        self._gauges = self._read()
        self._start, self._due = time.time(), time.monotonic() + BEAT_S

    def wait(self, over: threading.Event, seconds: float) -> bool:
        """As `over.wait(seconds)`; notices what the process was held back by, and writes a beat where one is due."""
        before = time.monotonic()
        ended = over.wait(seconds)
        now = time.monotonic()
        if not ended:
            late = now - before - seconds
            self._held += late
            self._held_most = max(self._held_most, late)
            self._most_in_flight = max(self._most_in_flight, self._counters.cells[self._in_flight])
        if now >= self._due or ended:
            self._due = now + BEAT_S
            try:
                self.beat()
            except Exception:
                _log.exception("a beat could not be taken, going on")
        return ended

    def beat(self) -> None:
        """Write what happened since the last."""
        end = time.time()
        counts, gauges = self._counters.snapshot(), self._read()
        before, was = self._counts, self._gauges
        grown = {series: _less(cells, before.get(series)) for series, cells in counts.items()}
        spent = {name: _since(gauges[name], was[name]) for name in gauges}
        instance, slot, role = self._about
        synced, sync_s, sync_most_s = (0, 0.0, 0.0) if self._spool is None else self._spool.synced()
        free, total = machine.memory()
        disk_free, disk_total = machine.disk(self._run if self._spool is None else self._spool.folder)
        callers = self._callers.take(_MOST_CALLERS)
        self._counters.cells[self._busiest] = callers[0][1] if callers else 0.0
        wrote = grown.get(("layer", "capture"))
        passed = spent["machine"]
        seconds = max(end - self._start, 1e-3)
        self._ring.write(
            Beat(
                instance, slot, role, self._start, end, tuple(answered(grown)), int(self._most_in_flight),
                sum(int(cells[0]) for series, cells in grown.items() if _is_turned_away(series)),
                spent["thread"], spent["process"], spent["waited"], self._held, self._held_most, spent["throttled"],
                spent["stolen"] / passed if passed > 0 and spent["stolen"] >= 0 else -1.0,
                _share(spent["io"], seconds), _share(spent["memory"], seconds),
                machine.resident_bytes(), free, total, disk_free, disk_total,
                0 if self._spool is None else folder_bytes(self._spool.folder),
                0 if self._spool is None else self._spool.max_bytes,
                synced, sync_s, sync_most_s,
                wrote[-1] / sum(wrote[:-1]) if wrote and sum(wrote[:-1]) else -1.0,
                {series[2]: int(cells[0]) for series, cells in grown.items()
                 if series[:2] == ("capture", "dropped") and cells[0] > 0},
                tuple(callers),
            )
        )  # fmt: skip
        self._counts, self._gauges, self._start = counts, gauges, end
        self._held = self._held_most = self._most_in_flight = 0.0

    def _read(self) -> dict[str, float]:
        passed, stolen = machine.machine_s()
        return {
            "thread": machine.thread_cpu_s(self._ident),
            "process": time.process_time(),
            "waited": machine.thread_waited_s(self._native),
            "throttled": machine.throttled_s(),
            "machine": passed,
            "stolen": stolen,
            "io": machine.pressure_s("io"),
            "memory": machine.pressure_s("memory"),
        }

    def close(self) -> None:
        """No further beats."""
        self._ring.close()


def answered(grown: dict[Series, list[float]]) -> list[Answered]:
    """What was answered by each variant, from the growth of its counters."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for series, cells in grown.items():
        if series[0] not in {"requests", "seconds", "rows", "anomalous"} or not series[1] or not any(cells):
            continue
        known = found.setdefault((series[1], series[2], series[3]), {"requests": 0})
        if series[0] == "requests":
            known["requests"] += int(cells[0])
            name = {"4": "refused", "5": "failed"}.get(series[5][:1])
            if name:
                known[name] = known.get(name, 0) + int(cells[0])
        elif series[0] in {"rows", "anomalous"}:
            known[series[0]] = known.get(series[0], 0) + int(cells[0])
        else:
            buckets = known.get("buckets", (0,) * (len(LATENCIES) + 1))
            known["buckets"] = tuple(a + int(b) for a, b in zip(buckets, cells[:-1], strict=True))
            known["seconds"] = known.get("seconds", 0.0) + cells[-1]
    return [Answered(*key, **known) for key, known in sorted(found.items())]


def _is_turned_away(series: Series) -> bool:
    return series[:2] == ("requests", "") and series[-1] == "503"


def _less(cells: list[float], before: list[float] | None) -> list[float]:
    return cells if before is None else [a - b for a, b in zip(cells, before, strict=True)]


def _since(now: float, before: float) -> float:
    return max(now - before, 0.0) if now >= 0 and before >= 0 else machine.UNTOLD


def _share(spent: float, seconds: float) -> float:
    return min(spent / seconds, 1.0) if spent >= 0 else machine.UNTOLD
