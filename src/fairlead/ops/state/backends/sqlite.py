"""State in one SQLite file (WAL) in the home: one machine, no server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc

from fairlead.contract.errors import StateError
from fairlead.ops.state.filelock import FileLock
from fairlead.ops.state.opening import is_current, migrate

BUSY_S = 30.0
WRITING = "fairlead_writing"
_PAGES = 256
"""Pages that a copy takes at a time: writers wait for no more than that."""
_LEAST_FREE = 1 << 16
"""Bytes; SQLite tells a disk that is full by several names, among them "disk I/O error"."""


class SqliteBackend:
    """See `port.Backend`. Its writer lock is SQLite's own, so no lease is needed: `FileLock`s tell who acts."""

    leads_by_lease = False

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine

    @classmethod
    def open(cls, path: Path) -> SqliteBackend:
        """Open, make or migrate the file. Raises FormatUnknown, StateError."""
        fresh = not path.exists()
        if fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made here so that the file, and the WAL that takes its mode, are never readable by others.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        opened = cls(path, _engine(path))
        try:
            if fresh or not is_current(opened.engine):
                with FileLock(path.with_name(path.name + ".lock")):
                    if not is_current(opened.engine):
                        _use_wal(opened.engine)
                        with opened.engine.connect().execution_options(**{WRITING: True}) as one, one.begin():
                            migrate(one)
        except exc.DBAPIError as error:
            opened.close()
            raise opened.translated(error) from error
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def connect(self, *, writing: bool, epoch: int | None = None) -> Iterator[Connection]:
        """See the port; there is no epoch here."""
        if not writing:
            with self.engine.connect() as connection:
                yield connection
            return
        with self.engine.connect().execution_options(**{WRITING: True}) as connection, connection.begin():
            yield connection

    def translated(self, error: exc.DBAPIError) -> StateError:
        """See the port."""
        cause = str(error.orig or "unknown")
        if "locked" in cause or "busy" in cause:
            return StateError(f"the state database was busy for over {BUSY_S:.0f} s; is another process stuck?")
        if "readonly" in cause or not os.access(self.path.parent, os.W_OK | os.X_OK):
            return StateError(
                "the state database cannot be written: the home is read-only for this user, or its disk was mounted "
                "so. FAIRLEAD_HOME names another folder for the home."
            )
        if "malformed" in cause or "not a database" in cause:
            return StateError(
                f"the state database is damaged ({cause}): keep the home as it is, and bring back its newest backup "
                "into an empty one (`fairlead restore`)."
            )
        if "full" in cause or shutil.disk_usage(self.path.parent).free < _LEAST_FREE:
            return StateError(
                "the state database cannot be written: the disk of the home is full. Make room there; what was begun "
                "is undone, and nothing of before is lost."
            )
        return StateError(f"the state database cannot be used: {cause}")

    def now(self) -> float:
        """See the port: it has no clock but ours."""
        return time.time()

    def copy_to(self, path: Path) -> None:
        """See the port: by SQLite's online backup, which starts again by itself where a writer comes between."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as source, closing(sqlite3.connect(path)) as copy:
                _copy(source, copy)
                # One file: a copy that needs its WAL beside it would be half a copy.
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise StateError(f"the state database cannot be copied: {error}") from error

    def end_sessions(self, holder: str) -> int:
        """See the port: none can be."""
        return 0

    def close(self) -> None:
        """See the port."""
        self.engine.dispose()


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    """In steps, for as long as writers leave pauses; then at once, for which SQLite has them wait."""
    deadline = time.monotonic() + BUSY_S / 2
    steps = [0]

    class Late(Exception):
        pass

    def told(_status: int, _left: int, _total: int) -> None:
        steps[0] += 1
        if time.monotonic() > deadline:
            raise Late

    try:
        source.backup(copy, pages=_PAGES, progress=told, sleep=0.005)
    except Late:
        source.backup(copy)


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", pool_size=4, max_overflow=12, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        # sqlite3 must not open transactions by itself: whether one writes is known at its start, see `begin`.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        # FULL: with NORMAL a power cut could undo a decision that was acted upon.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once; a reader that upgrades later may fail without waiting.
        writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _use_wal(engine: Engine) -> None:
    """The mode is kept in the file, so it is set once. SQLite does not wait for readers here, so we do."""
    deadline = time.monotonic() + BUSY_S
    while True:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise StateError(f"the state database cannot be prepared: {error}") from error
        finally:
            raw.close()
        time.sleep(0.02)
