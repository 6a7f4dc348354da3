"""How a running stream stands, in a file of its home, for `fairlead status` and `fairlead doctor`."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

import msgspec

from fairlead.contract.streams import StreamStatus
from fairlead.reach.score.streams.telling import Tally

EVERY_S = 1.0
OVER = 30
"""Looks over which the rate is taken."""


@contextmanager
def standing(run: Path, tally: Tally, about: StreamStatus) -> Iterator[None]:
    """Write every second how it stands, while the block runs, and take the file away at its end.

    A thread of its own writes it, so that it is also told how a stream stands whose model or broker does not answer;
    after a kill the file stays. about: what does not change.
    """
    path = run / f"stream-{about.instance}.json"
    over = threading.Event()
    seen: deque[tuple[float, int]] = deque(maxlen=OVER)

    def write() -> None:
        now = time()
        seen.append((now, tally.answered + tally.refused))
        (first, before), (last, after) = seen[0], seen[-1]
        told = msgspec.structs.replace(
            about, seen=now, moved=tally.moved, answered=tally.answered, refused=tally.refused, again=tally.again,
            lag=tally.lag, up=tally.up, why="" if tally.up else tally.why, broker=tally.broker, waited=tally.model,
            rate=round((after - before) / (last - first), 1) if last > first else 0.0,
        )  # fmt: skip
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        # A full disk must not end a stream.
        with suppress(OSError):
            temporary.write_bytes(msgspec.json.encode(told))
            temporary.replace(path)

    def write_on() -> None:
        while not over.wait(EVERY_S):
            write()

    write()
    thread = threading.Thread(target=write_on, name="fairlead-standing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)
        path.unlink(missing_ok=True)
