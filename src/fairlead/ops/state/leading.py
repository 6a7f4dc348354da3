"""One leader among the control planes that share a database: a lease, and an epoch that only grows.

The lease says who acts, the epoch guarantees it: whatever a leader writes carries its epoch, and the database refuses
one that is over (`backends/fence.py`), however long its writer was frozen and wherever it was when it froze.
Times of the lease are the database's, so that clocks of machines need not agree.
Source: Kleppmann, How to do distributed locking (2016): fencing tokens.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, exc, insert, select, update

from fairlead.contract.errors import NotLeader, StateError
from fairlead.ops.state.backends.port import Backend
from fairlead.ops.state.schema import leases

CONTROL = "control"
_RENEWALS = 4
"""How often a lease is renewed within its length."""
_SEEK_S = 0.5


class Lease(msgspec.Struct, frozen=True):
    """Who leads. holder: HOST:PID:some digits. since, expires: seconds by the database's clock; now: the same clock
    when it was read."""

    epoch: int
    holder: str
    since: float
    expires: float
    now: float

    @property
    def holds(self) -> bool:
        """Whether it is still running."""
        return self.now < self.expires


def holder_here() -> str:
    """A name for this process that no other has had."""
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(4)}"


def read_lease(backend: Backend) -> Lease | None:
    """Who leads or led last; None before any, and where no lease is needed."""
    if not backend.leads_by_lease:
        return None
    now = backend.now()
    try:
        with backend.connect(writing=False) as connection:
            row = connection.execute(select(leases).where(leases.c.name == CONTROL)).first()
    except exc.DBAPIError as error:
        raise backend.translated(error) from error
    return None if row is None else Lease(row.epoch, row.holder, row.since, row.expires, now)


class Leader:
    """A control plane's part in it: seeks the lease, keeps it renewed in a thread, and gives it back at the end.

    backend: a connection of its own, opened with the same `holder`. told: called with a line when it begins or
    ceases to lead.
    """

    def __init__(self, backend: Backend, holder: str, lease_s: float, told: Callable[[str], None]) -> None:
        self.holder, self.lease_s = holder, lease_s
        self._backend, self._told = backend, told
        self._epoch: int | None = None
        self._until = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fairlead-leader", daemon=True)
        self._said = ""

    @property
    def leads(self) -> bool:
        """Whether this process leads, as far as it can know without asking."""
        with self._lock:
            return self._epoch is not None and time.monotonic() < self._until

    def epoch(self) -> int:
        """The number of our term, for every write. Raises NotLeader when there is none, or it ran out unrenewed."""
        with self._lock:
            epoch, until = self._epoch, self._until
        if epoch is None:
            raise NotLeader("this control plane does not lead: another one does, see `fairlead status`")
        if time.monotonic() >= until:
            raise NotLeader(
                "this control plane led until its lease ran out (it was stopped, or cut off): it steps down"
            )
        return epoch

    def seek(self) -> bool:
        """Renew the lease, or take one that ran out. Raises StateError while the database cannot be asked."""
        began = time.monotonic()
        mine = self._epoch
        try:
            epoch = self._take() if mine is None else mine if self._renew(mine) else None
        except exc.DBAPIError as error:
            raise self._backend.translated(error) from error
        with self._lock:
            # From before we asked: the database's time began to run no earlier.
            self._epoch, self._until = epoch, began + self.lease_s
        if mine is not None and epoch is None:
            self._told("no longer leads: another control plane took over, nothing more is written from here")
        elif mine is None and epoch is not None:
            self._told(f"leads from now on (epoch {epoch})")
        return epoch is not None

    def resign(self) -> None:
        """Let the next one lead at once; nothing happens where we do not lead."""
        with self._lock:
            epoch, self._epoch = self._epoch, None
        if epoch is None:
            return
        try:
            with self._backend.connect(writing=True) as connection:
                mine = update(leases).where(leases.c.name == CONTROL, leases.c.epoch == epoch)
                connection.execute(mine.values(expires=0.0))
        except (exc.DBAPIError, StateError):
            return  # it runs out by itself

    def __enter__(self) -> Leader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(self.lease_s)
        self.resign()
        self.close()

    def close(self) -> None:
        """Let go of its connections."""
        self._backend.close()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self.seek()
                self._said = ""
            except Exception as fault:
                said = str(fault) if isinstance(fault, StateError) else f"{type(fault).__name__}: {fault}"
                if said != self._said:
                    self._said = said
                    self._told(f"who leads cannot be told, going on: {said}")
            self._over.wait(self.lease_s / _RENEWALS if self._epoch is not None else _SEEK_S)

    def _renew(self, epoch: int) -> bool:
        """False if another took over. Without the writers' lock: a long transaction of ours costs us no lease."""
        until = self._backend.now() + self.lease_s
        with self._backend.engine.begin() as connection:
            mine = update(leases).where(leases.c.name == CONTROL, leases.c.epoch == epoch)
            return bool(connection.execute(mine.where(leases.c.holder == self.holder).values(expires=until)).rowcount)

    def _take(self) -> int | None:
        lease = read_lease(self._backend)
        if lease is not None and lease.holds:
            return None
        if lease is not None and lease.holder != self.holder:
            # What a frozen leader has open holds the writers' lock; its lease ran out, so it may be ended.
            self._backend.end_sessions(lease.holder)
        with self._backend.connect(writing=True) as connection:
            return self._taken(connection)

    def _taken(self, connection: Connection) -> int | None:
        now = self._backend.now()
        values = {"holder": self.holder, "since": now, "expires": now + self.lease_s}
        over = update(leases).where(leases.c.name == CONTROL, leases.c.expires < now)
        if connection.execute(over.values(epoch=leases.c.epoch + 1, **values)).rowcount:
            return int(connection.execute(select(leases.c.epoch).where(leases.c.name == CONTROL)).scalar_one())
        if connection.execute(select(leases.c.epoch).where(leases.c.name == CONTROL)).first() is None:
            connection.execute(insert(leases).values(name=CONTROL, epoch=1, **values))
            return 1
        return None
