"""Erasing one person from spool, records and labels, beside whatever runs: asked once, carried on until it is done.

Segments that are open are turned, by their worker or, where no server holds the instance, by us; the collector then
brings them in whole, erases by the list of requests, and removes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from fairlead.contract import records as names
from fairlead.runtime.capture.collector import collect
from fairlead.runtime.capture.erasing import waiting
from fairlead.runtime.capture.forgotten import Entry, Hash, entries, keep
from fairlead.runtime.capture.keys import current
from fairlead.runtime.capture.spool import DAMAGED, Spool, segments
from fairlead.runtime.capture.tended import TURN

_POLL_S = 0.1


class Forgotten(msgspec.Struct, frozen=True):
    """What came of a request to forget. done: nothing of it is left in spool, records and labels.

    id: of the request; begins with the keyed hash of what was asked for. waiting: "<instance>/<worker>" whose open
    segment still has to close. damaged: segments that nobody can read, which may hold such rows.
    """

    id: str
    done: bool
    records: int
    labels: int
    files: int
    waiting: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def forget(
    home: Path,
    values: Sequence[str],
    *,
    columns: Sequence[str] = (names.KEY,),
    model: str = "",
    wait_s: float = 30.0,
    now: Callable[[], float] = time.time,
) -> Forgotten:
    """Erase the records whose column has one of the values, and their labels; go on where an earlier call was stopped.

    values: the forms of one value (plain, redacted). columns: names in the layout of records, of which each file's
    first is looked at. model: "" for every model of the home. Rows that are asked about later are new rows.
    """
    home = Path(home)
    entry = _ask(home, values, tuple(columns), model, now())
    deadline = time.monotonic() + wait_s
    while True:
        for name, path in waiting(home).items():
            if name in entry.segments and path == segments(path.parent)[-1]:
                _turn(home, path.parent)
        collect(home)
        entry = next(one for one in entries(home) if one.id == entry.id)
        if entry.done or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    open_at = {"/".join(path.parts[-3:-1]) for name, path in waiting(home).items() if name in entry.segments}
    damaged = sorted("/".join(path.parts[-3:]) for path in (home / "spool").glob(f"*/*/*{DAMAGED}"))
    return Forgotten(
        entry.id, entry.done, entry.records, entry.labels, entry.files, tuple(sorted(open_at)), tuple(damaged)
    )


def _ask(home: Path, values: Sequence[str], columns: tuple[str, ...], model: str, now: float) -> Entry:
    """The open request for the same rows, else a new one, noted before anything is done."""
    hashed = Hash(home)
    # The same question has the same hash, and nothing but the key in this home tells what it was.
    whom = hashed("\n".join((model, *columns, *values)))[:16]
    for entry in entries(home, opened=True):
        if entry.id.startswith(f"{whom}-"):
            return entry
    entry = Entry(f"{whom}-{int(now * 1000)}", now, model, columns, tuple(hashed.all(values)), tuple(waiting(home)))
    keep(home, entry)
    return entry


def _turn(home: Path, folder: Path) -> None:
    """Have the worker of a folder begin a new segment; where its server is gone, begin one in its place."""
    with contextlib.suppress(OSError), _nobody_serves(home, folder.parent.name) as free:
        if free:
            (folder / TURN).unlink(missing_ok=True)
            spool = Spool(home / "spool", folder.parent.name, folder.name, 1 << 62, key=current(home))
            spool.turn()
            spool.close()
        else:
            (folder / TURN).touch(mode=0o600)


@contextlib.contextmanager
def _nobody_serves(home: Path, instance: str) -> Iterator[bool]:
    """Whether no server holds an instance; then none can begin to while this lasts.

    Without a lock file nobody knows: it may be served from elsewhere.
    """
    try:
        fd = os.open(home / "run" / f"instance-{instance}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        yield False
        return
    try:
        yield True
    finally:
        os.close(fd)
