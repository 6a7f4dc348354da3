"""Opening the database: connection settings, the revision check, and migrations under a lock."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, text

from fairlead.contract.errors import FormatUnknown, StateError
from fairlead.ops.state.filelock import FileLock
from fairlead.ops.state.schema import HEAD, REVISIONS

BUSY_S = 30.0
WRITING = "fairlead_writing"


def open_engine(path: Path) -> Engine:
    """An engine on a database of the current revision, made or migrated if need be.

    Raises FormatUnknown if a newer Fairlead wrote it, StateError if it is no such database.
    """
    fresh = not path.exists()
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made here so that the file, and the WAL that takes its mode, are never readable by others.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    engine = _engine(path)
    try:
        if fresh or not _is_current(engine):
            with FileLock(path.with_name(path.name + ".lock")):
                if not _is_current(engine):
                    _migrate(engine)
    except exc.DatabaseError as error:
        engine.dispose()
        raise translated(error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def translated(error: exc.DatabaseError) -> StateError:
    """What went wrong in words; the SQL and its values stay out."""
    cause = str(error.orig or "unknown")
    if "locked" in cause or "busy" in cause:
        return StateError(f"the state database was busy for over {BUSY_S:.0f} s; is another process stuck?")
    if "readonly" in cause:
        return StateError("the state database cannot be written: the home is read-only for this user.")
    return StateError(f"the state database cannot be used: {cause}")


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


def _is_current(engine: Engine) -> bool:
    """Whether the revision is ours; False for an older or an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in REVISIONS:
        raise FormatUnknown(
            f"the state database has revision {found}, this Fairlead knows up to {HEAD}: use a newer Fairlead"
        )
    return bool(found == HEAD)


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    _use_wal(engine)
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(**{WRITING: True}) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


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
