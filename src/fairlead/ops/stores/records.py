"""Records and labels in a store: what the collector wrote here is sent there, and stays here until it is.

Files keep their names, which are made of segment and offset, so a file that is sent twice is one object. What is known
to be there is noted in `run/stored.json` after it is; a kill in between sends it again. A file that was written again
(a range that grew, a row that was erased) is sent again; one whose day is over goes there when it is gone here. One
that is gone here before its time was lost, and comes back.

One process of a home exchanges at a time: of two, the one that read a file before a row of it was erased could put it
after the other one had put it without.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fairlead.contract.errors import ConfigInvalid, ObjectDamaged, ObjectNotFound, StateError
from fairlead.contract.stores import READ_LIMIT, Store, Stored, walk
from fairlead.ops.stores.checking import Bytes
from fairlead.runtime.capture.collector import alone
from fairlead.runtime.capture.files import read_metadata
from fairlead.runtime.capture.retention import oldest_day

KINDS = ("records", "labels")
SUFFIX = ".parquet"
OURS = re.compile(
    r"records/[^/]+/\d{4}-\d\d-\d\d/\d\d/[^/.][^/]*-\d{1,18}\.parquet|labels/[^/]+/(?:[^/]+/)?[^/.][^/]*-\d{1,18}\.parquet"
)
"""Names that the collector gives; what others put beside them is not ours to fetch."""
NOTED_EVERY = 50
LOCK = "stored.lock"
BEFORE = "stored.before"
"""A file of records as it was here, while another one from the store takes its place."""
PATIENCE_S = 60.0


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A file that the store has: as it was here when it was sent, its hash and its rows."""

    size: int
    mtime_ns: int
    sha256: str
    etag: str
    rows: int


class Mirrored(msgspec.Struct):
    """One exchange: files sent, removed there, fetched."""

    sent: int = 0
    removed: int = 0
    fetched: int = 0


class Agreement(msgspec.Struct, frozen=True):
    """What is here against what is in the store. ok: nothing waits, nothing lacks, sizes agree.

    waiting: files here that were not sent yet; missing: files that were sent and are not there, or of another size.
    """

    ok: bool
    files: int
    rows: int
    stored: int
    stored_rows: int
    waiting: tuple[str, ...]
    missing: tuple[str, ...]


class Mirror:
    """The records of a home and a store's. Raises StoreFailed from each method that asks the store, Busy from `push`
    and `pull` where another process of the home was at it for a minute.

    keep_days: after so many a day is over (`capture.keep_days`), here and there; None for never.
    """

    def __init__(
        self, home: Path, store: Store, keep_days: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.home, self.store = Path(home), store
        self._path = self.home / "run" / "stored.json"
        self._keep_days, self._clock = keep_days, clock

    def push(self) -> Mirrored:
        """Send what is new or was written again here; remove there what was sent, is here no more, and is over.

        Raises ObjectDamaged, after all the others, for a file that is damaged here: what the store has of it stays.
        """
        with alone(self.home, PATIENCE_S, LOCK):
            return self._push()

    def _push(self) -> Mirrored:
        done, noted, here = Mirrored(), self._noted(), dict(self._here())
        damaged: ObjectDamaged | None = None
        try:
            for name, path in here.items():
                try:
                    sent = self._send(name, path, noted.get(name))
                except ObjectDamaged as found:
                    damaged = damaged or found
                    continue
                if sent is not None:
                    noted[name] = sent
                    done.sent += 1
                    if done.sent % NOTED_EVERY == 0:
                        self._note(noted)
            for name in [name for name in noted if name not in here and self._over(name)]:
                self.store.delete(name)
                del noted[name]
                done.removed += 1
        finally:
            if done.sent or done.removed:
                self._note(noted)
        if damaged is not None:
            raise damaged
        return done

    def pull(self) -> Mirrored:
        """Bring here what others sent, for a home that watches models which are served elsewhere, and what was lost
        here. Days that are over stay away. Raises ObjectDamaged for files that are none, after all the others."""
        with alone(self.home, PATIENCE_S, LOCK):
            return self._pull()

    def _pull(self) -> Mirrored:
        done, noted = Mirrored(), self._noted()
        damaged: ObjectDamaged | None = None
        self._path.with_name(BEFORE).unlink(missing_ok=True)
        for kind in KINDS:
            for stored in walk(self.store, f"{kind}/"):
                if not OURS.fullmatch(stored.name) or self._over(stored.name):
                    continue
                try:
                    done.fetched += self._fetch(stored, noted)
                except ObjectDamaged as found:
                    damaged = damaged or found
        if done.fetched:
            self._note(noted)
        if damaged is not None:
            raise damaged
        return done

    def waiting(self) -> tuple[str, ...]:
        """Files that are here and not known to be in the store. Asks nobody."""
        noted = self._noted()
        return tuple(name for name, path in self._here() if not _as_sent(path, noted.get(name)))

    def waits(self) -> Callable[[Path], bool]:
        """Tells of a file of this home whether it is not known to be in the store, by what is known now."""
        noted = self._noted()
        return lambda path: not _as_sent(path, noted.get(path.relative_to(self.home).as_posix()))

    def reconcile(self) -> Agreement:
        """Files and rows here against those in the store."""
        noted, here = self._noted(), dict(self._here())
        there = {stored.name: stored.bytes for kind in KINDS for stored in walk(self.store, f"{kind}/")}
        waiting = tuple(sorted(name for name, path in here.items() if not _as_sent(path, noted.get(name))))
        missing = tuple(sorted(name for name, sent in noted.items() if there.get(name) != sent.size))
        rows = sum(rows_of(path) for path in here.values())
        held = [noted[name] for name in noted if there.get(name) == noted[name].size]
        return Agreement(
            not waiting and not missing, len(here), rows, len(held), sum(sent.rows for sent in held), waiting, missing
        )

    def _send(self, name: str, path: Path, known: Sent | None) -> Sent | None:
        if _as_sent(path, known):
            return None
        try:
            before = path.stat()
            # At once, as it may be written again while it is sent; a file of records has a few MB.
            what: Path | bytes = path.read_bytes() if before.st_size <= READ_LIMIT else path
        except FileNotFoundError:
            return None  # Its day ended a moment ago.
        digest = Bytes(what).sha256()
        if known is not None and known.sha256 == digest:
            return _sent(before, Stored(name, known.size, known.etag, digest), known.rows)
        if (rows := _rows(path)) is None:
            raise ObjectDamaged(f"{name} is damaged here and was not sent: put it away, then what was sent comes back")
        return _sent(before, self.store.put(name, what, sha256=digest), rows)

    def _fetch(self, stored: Stored, noted: dict[str, Sent]) -> bool:
        path, known = self.home / stored.name, noted.get(stored.name)
        if path.exists() and (known is None or known.etag == stored.etag or not _as_sent(path, known)):
            # The same, or made here and not sent yet: then ours is the newer one.
            return False
        before = self._path.with_name(BEFORE)
        try:
            if path.exists():
                before.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, before)
            got = self.store.get(stored.name, path)
            if (rows := _rows(path)) is None:
                # Who reads records here would stumble over it.
                _put_back(before, path)
                raise ObjectDamaged(f"{self.store.address}/{stored.name} is no file of records: put it away")
        except ObjectNotFound:
            return False
        finally:
            before.unlink(missing_ok=True)
        noted[stored.name] = _sent(path.stat(), got, rows)
        return True

    def _over(self, name: str) -> bool:
        """Whether the day of a file has ended for as long as records are kept."""
        if self._keep_days is None:
            return False
        day = name.split("/")[2:3]  # <kind>/<model>/<day>/...
        return bool(day) and day[0] < oldest_day(self._keep_days, self._clock())

    def _here(self) -> Iterator[tuple[str, Path]]:
        for kind in KINDS:
            for path in sorted((self.home / kind).rglob(f"*{SUFFIX}")):
                if not path.name.startswith("."):
                    yield path.relative_to(self.home).as_posix(), path

    def _noted(self) -> dict[str, Sent]:
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=tuple[str, dict[str, Sent]])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeError):
            return {}  # All is sent again under the same names.
        # Of another store nothing is known.
        return known[1] if known[0] == self.store.address else {}

    def _note(self, noted: dict[str, Sent]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with aside.open("wb") as file:
            file.write(msgspec.json.encode((self.store.address, noted)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self._path)


def rows_of(path: Path) -> int:
    """Rows of a file of records or labels, by its footer; 0 where it is gone or damaged, or no key that opens it is
    here."""
    return _rows(path) or 0


def _rows(path: Path) -> int | None:
    """None of a file that is damaged, or of another place."""
    try:
        return int(read_metadata(path).num_rows)
    except (FileNotFoundError, ConfigInvalid):
        return 0
    except (StateError, ValueError, OSError):  # pyarrow's errors are one of the last two
        return None


def _put_back(before: Path, path: Path) -> None:
    """The file as it was, with its time; where there was none, none."""
    if not before.exists():
        path.unlink(missing_ok=True)
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.copy2(before, aside)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(aside, path)


def _sent(about: os.stat_result, stored: Stored, rows: int) -> Sent:
    return Sent(stored.bytes, about.st_mtime_ns, stored.sha256, stored.etag, rows)


def _as_sent(path: Path, known: Sent | None) -> bool:
    if known is None:
        return False
    try:
        about = path.stat()
    except FileNotFoundError:
        return True
    return (about.st_size, about.st_mtime_ns) == (known.size, known.mtime_ns)
