"""The state database of one home."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from fairlead.contract.ports import Clock
from fairlead.ops.state.backends.port import backend_of
from fairlead.ops.state.chain import Chain
from fairlead.ops.state.decisions import Decisions
from fairlead.ops.state.documents import Documents
from fairlead.ops.state.incidents import Incidents
from fairlead.ops.state.intents import Intents
from fairlead.ops.state.keys import Keys
from fairlead.ops.state.outbox import OutboxTables
from fairlead.ops.state.store import Epoch
from fairlead.ops.state.versions import Versions
from fairlead.ops.state.watching import Watching


class State(Versions, Intents, Watching, Incidents, Decisions, Documents, OutboxTables, Keys, Chain):
    """What is intended, seen, decided and done. Each method is one transaction, or joins `transaction()`.

    May be shared by threads; every process opens its own.
    """

    @classmethod
    def open(
        cls,
        where: Path | str,
        *,
        clock: Clock = time.time,
        password: str = "",
        holder: str = "",
        epoch: Epoch | None = None,
    ) -> State:
        """Open, make or migrate the SQLite file or the PostgreSQL database (postgresql://...) at `where`.

        password, holder: see `backend_of`; epoch: see `Store`. Raises FormatUnknown if a newer Fairlead wrote it,
        MissingExtra, UsageError for what is no address, else StateError.
        """
        return cls(backend_of(where, password=password, holder=holder), clock, epoch)

    def copy_to(self, path: Path) -> None:
        """One moment of all of it as an SQLite database at `path`; writers go on."""
        self.backend.copy_to(path)

    def __enter__(self) -> State:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
