"""State in PostgreSQL (14 or newer): control planes on several machines, one of which leads."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, Transaction, create_engine, event, exc

from fairlead.contract.errors import FairleadError, MissingExtra, NotLeader, StateError
from fairlead.ops.state.backends.fence import STALE, fence_tables
from fairlead.ops.state.backends.postgresql_address import Server, distrust, parse
from fairlead.ops.state.copying import copy_rows
from fairlead.ops.state.opening import is_current, migrate

BUSY_S = 30.0
GONE_S = 10.0
"""How long a server that restarts is waited for before a transaction begins; never in the middle of one."""
POOL, MORE = 4, 12
WRITER = 7_224_601
"""The advisory lock of the one writer: code that was written for SQLite relies on there being one at a time."""
SESSION = (
    f"SET lock_timeout = '{BUSY_S:.0f}s'",
    # A process that was stopped in the middle of a transaction holds the writers' lock no longer than this.
    "SET idle_in_transaction_session_timeout = '10min'",
    # A machine that vanished is noticed in seconds; unix sockets ignore these.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
_GONE_CODES = ("08", "57P01", "57P02", "57P03")


class PostgresBackend:
    """See `port.Backend`."""

    leads_by_lease = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, address: str, *, password: str = "", holder: str = "") -> PostgresBackend:
        """Connect, and make or migrate the tables. Raises ConfigInvalid, FormatUnknown, MissingExtra, StateError."""
        opened = cls(_engine(parse(address, password), holder))
        try:
            with opened.connect(writing=False):
                pass  # waits for a server that starts
            if not is_current(opened.engine):
                with opened.connect(writing=True) as connection:
                    # The writers' lock is held: of several that come at once, one migrates and the others find it done.
                    if not is_current(opened.engine):
                        migrate(connection)
                        fence_tables(connection)
        except exc.DBAPIError as error:
            opened.close()
            raise opened.translated(error) from error
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def connect(self, *, writing: bool, epoch: int | None = None) -> Iterator[Connection]:
        """See the port. Retried until GONE_S where the server is away before the caller's first statement, never after:
        whether that ran would not be known."""
        connection, transaction = self._begun(writing, epoch)
        with connection:
            try:
                yield connection
            except BaseException:
                _undo(transaction)
                raise
            if not writing:
                transaction.rollback()
                return
            try:
                transaction.commit()
            except exc.DBAPIError as error:
                if not _gone(error):
                    raise
                raise StateError(
                    "the connection to the state database was lost during a commit: whether it holds is not known; "
                    "what is recorded is looked at before anything is done again"
                ) from error

    def _begun(self, writing: bool, epoch: int | None) -> tuple[Connection, Transaction]:
        deadline, wait = time.monotonic() + GONE_S, 0.05
        while True:
            try:
                connection = self.engine.connect()
                try:
                    transaction = connection.begin()
                    if writing:
                        mine = "" if epoch is None else str(int(epoch))
                        connection.exec_driver_sql(
                            f"SELECT pg_advisory_xact_lock({WRITER}), set_config('fairlead.epoch', '{mine}', true)"
                        )
                    else:
                        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    return connection, transaction
                except BaseException:
                    connection.close()
                    raise
            except ssl.SSLError as error:
                raise StateError(distrust(error)) from None
            except exc.DBAPIError as error:
                if not _gone(error) or time.monotonic() > deadline or _without_tls(error):
                    raise
            time.sleep(wait)
            wait = min(wait * 2, 1.0)

    def translated(self, error: exc.DBAPIError) -> StateError:
        """See the port."""
        code, said = _told(error)
        if code == STALE:
            return NotLeader("another control plane leads by now: this one's write was refused by the database")
        if code == "55P03":
            return StateError(f"the state database was busy for over {BUSY_S:.0f} s; is another process stuck?")
        if code == "28000" and "pg_hba" in said:
            plain = ", as it is not encrypted: leave sslmode=disable out" if "no encryption" in said else ""
            return StateError(f"the state database takes no connection of this user from here (pg_hba.conf){plain}")
        if code in ("28P01", "28000"):
            return StateError("the state database refuses this user or password: see [state] url and password")
        if code == "3D000":
            return StateError("the state database does not exist: make it with `createdb`, see docs/how-to/postgres.md")
        if code in ("42501", "25006"):
            return StateError("the state database cannot be written by this user: it must own its tables")
        if _without_tls(error):
            return StateError(
                "the state database does not speak TLS, and nothing is said to it in the clear: set ssl = on there, or "
                "say ?sslmode=disable in [state] url where plain connections are meant"
            )
        if _gone(error):
            return StateError(
                "the state database cannot be reached, or the connection was lost: the transaction was undone"
            )
        return StateError(f"the state database cannot be used: {said} ({code or type(error.orig).__name__})")

    def now(self) -> float:
        """See the port."""
        with self._plain() as connection:
            asked = connection.exec_driver_sql("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
            return float(asked.scalar_one())

    def copy_to(self, path: Path) -> None:
        """See the port: one repeatable-read snapshot, row by row; writers are not held up."""
        from fairlead.ops.state.backends.sqlite import SqliteBackend

        if path.exists():
            raise StateError(f"{path.name} is there already")
        copy = SqliteBackend.open(path)
        try:
            with self._plain() as source, copy.connect(writing=True) as target:
                copy_rows(source, target)
            with copy.engine.connect() as raw:
                raw.connection.driver_connection.execute("PRAGMA journal_mode = DELETE")  # type: ignore[union-attr]
        finally:
            copy.close()
            path.with_name(path.name + ".lock").unlink(missing_ok=True)

    def end_sessions(self, holder: str) -> int:
        """See the port: a frozen process may hold the writers' lock, which the server alone can take from it."""
        with self._plain() as connection:
            ended = connection.exec_driver_sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                "AND usename = current_user AND pid <> pg_backend_pid() AND application_name = %s",
                (_name(holder),),
            )
            return int(ended.scalar_one())

    def close(self) -> None:
        """See the port."""
        self.engine.dispose()

    @contextmanager
    def _plain(self) -> Iterator[Connection]:
        try:
            with self.connect(writing=False) as connection:
                yield connection
        except exc.DBAPIError as error:
            raise self.translated(error) from error


def _name(holder: str) -> str:
    return f"fairlead {holder}"[:63] if holder else "fairlead"


def _engine(server: Server, holder: str) -> Engine:
    try:
        engine = create_engine(
            server.url, connect_args={**server.arguments, "application_name": _name(holder)},
            pool_size=POOL, max_overflow=MORE, pool_timeout=BUSY_S, hide_parameters=True,
        )  # fmt: skip
    except ModuleNotFoundError as missing:
        raise MissingExtra("pg8000", "postgres") from missing

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for line in SESSION:
            cursor.execute(line)
        connection.commit()

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def storable(_c: Any, _cursor: Any, statement: str, given: Any, _context: Any, many: bool) -> tuple[str, Any]:
        # PostgreSQL takes no NUL in text; a category that a caller sent may carry one into the title of an alert.
        return statement, [_clean(row) for row in given] if many else _clean(given)

    @event.listens_for(engine, "handle_error")
    def lost(context: ExceptionContext) -> BaseException | None:
        # Whoever is told so drops every pooled connection; the next transaction begins on a new one.
        error = context.original_exception
        if isinstance(error, OSError):
            # A reset connection comes out of the driver as it came out of the socket.
            context.is_disconnect = True
            return exc.InterfaceError("", None, engine.dialect.loaded_dbapi.InterfaceError("network error"))
        if type(error).__name__ == "InterfaceError" or _code(error).startswith(_GONE_CODES):
            context.is_disconnect = True
        return None

    # What the pool says when it closes a connection that is lost already is told by `translated`, once.
    pool = logging.getLogger("sqlalchemy.pool")
    if pool.level == logging.NOTSET:
        pool.setLevel(logging.CRITICAL)
    return engine


def _clean(given: Any) -> Any:
    if isinstance(given, dict):
        return {k: v.replace("\0", "\ufffd") if isinstance(v, str) else v for k, v in given.items()}
    if isinstance(given, list | tuple):
        return tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in given)
    return given


def _undo(transaction: Transaction) -> None:
    try:
        transaction.rollback()
    except (exc.DBAPIError, FairleadError):
        return  # the connection is gone, and with it all that was done on it


def _code(error: BaseException | None) -> str:
    """SQLSTATE of what the driver raised, "" where the server said nothing."""
    first = error.args[0] if error is not None and error.args else ""
    return str(first.get("C", "")) if isinstance(first, dict) else ""


def _told(error: exc.DBAPIError) -> tuple[str, str]:
    """SQLSTATE and message of the server; no code where it said nothing."""
    code = _code(error.orig)
    return code, str(error.orig.args[0].get("M", "")) if code and error.orig is not None else "no answer"


def _gone(error: exc.DBAPIError) -> bool:
    code, _ = _told(error)
    if code:
        return code.startswith(_GONE_CODES)
    return error.connection_invalidated or type(error.orig).__name__ == "InterfaceError"


def _without_tls(error: exc.DBAPIError) -> bool:
    return "refuses SSL" in str(error.orig)
