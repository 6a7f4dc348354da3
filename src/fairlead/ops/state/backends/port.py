"""The port behind `State`: a database that opens, begins transactions, and says in words what went wrong."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, exc

from fairlead.contract.errors import StateError, UsageError
from fairlead.contract.plugins import variant

PORT = "state"


class Backend(Protocol):
    """One database of state, migrated to the current revision. Safe to share between threads.

    leads_by_lease: whether several control planes may share it, of which one leads (`leading.py`).
    """

    engine: Engine
    leads_by_lease: bool

    def connect(self, *, writing: bool, epoch: int | None = None) -> AbstractContextManager[Connection]:
        """A connection in a transaction of its own: one writer at a time, any number of snapshots beside it.

        Commits when the block ends well. epoch: of the leader that writes; the database refuses one that is over
        (NotLeader), at its first write.
        """

    def translated(self, error: exc.DBAPIError) -> StateError:
        """What went wrong, in words without SQL, values or addresses."""

    def now(self) -> float:
        """Seconds since the epoch by the clock of the database."""

    def copy_to(self, path: Path) -> None:
        """One moment of it as an SQLite database of the current revision at `path`, which must not exist."""

    def end_sessions(self, holder: str) -> int:
        """End what is left of a control plane that leads no more, its open transactions first; how many there were."""

    def close(self) -> None:
        """Let go of all connections."""


def backend_of(where: Path | str, *, password: str = "", holder: str = "") -> Backend:
    """Open, make or migrate the database at a path or an address (postgresql://...).

    password: the secret itself, for addresses that carry none. holder: how a control plane calls itself.
    Raises FormatUnknown if a newer Fairlead wrote it, MissingExtra, UsageError for an unknown address, else StateError.
    """
    text = str(where)
    scheme, separator, _ = text.partition("://")
    if not separator or isinstance(where, Path):
        file: Backend = variant(PORT, "sqlite").open(Path(where))
        return file
    name = scheme.partition("+")[0]
    if name not in ("postgresql", "postgres"):
        raise UsageError(f"state cannot be kept at {name}://: give postgresql://USER@HOST:PORT/DATABASE.")
    server: Backend = variant(PORT, "postgresql", extra="postgres").open(text, password=password, holder=holder)
    return server
