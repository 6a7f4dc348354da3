"""Who of several control planes acts: the watcher's part in `state.leading`, and what `status` says of it.

A home on SQLite needs none of this: its locks are files, and `leading` lets everyone through. A process that a leader
starts acts in the leader's term, which it is told by its environment: when that is over, so is what it may write.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import NotLeader, UsageError

if TYPE_CHECKING:
    from fairlead.ops.flow.workspace import Workspace
    from fairlead.ops.state import State
    from fairlead.ops.state.backends.port import Backend
    from fairlead.ops.state.leading import Leader, Lease

TERM = "FAIRLEAD_TERM"


@cache
def holder() -> str:
    """This process among all control planes; its connections to the database carry it."""
    from fairlead.ops.state.leading import holder_here

    return holder_here()


def open_state(ws: Workspace) -> State:
    """The state of a home: where `[state] url` says, else the file in it. What a leader writes carries its epoch."""
    from fairlead.ops.state import State

    asked = ws.settings.state
    if not asked.url:
        return State.open(ws.home.state_db)
    return State.open(
        asked.url,
        password=_password(ws),
        holder=holder(),
        epoch=lambda: term_of(ws),
    )


def term_of(ws: Workspace) -> int | None:
    """The term that this process acts in: its own as the leader, or that of the leader that started it; None for a
    person's, who is heard whoever leads. Raises NotLeader once its own is over."""
    if ws.leader is not None:
        return ws.leader.epoch()
    said = os.environ.get(TERM, "") if ws.settings.state.url else ""
    if said and not said.isdecimal():
        raise UsageError(f"{TERM} is the number of a term, told by a control plane to its processes: leave it unset.")
    return int(said) if said else None


def told_to_children(ws: Workspace) -> dict[str, str]:
    """What a leader's own processes have in their environment besides. Raises NotLeader."""
    term = term_of(ws)
    return {} if term is None else {TERM: str(term)}


def require_term(ws: Workspace) -> None:
    """For what no database can refuse: the term that this process acts in goes on, asked now.

    Raises NotLeader if another control plane took over or the lease ran out, StateError if that cannot be asked.
    """
    term = term_of(ws)
    if term is None:
        return
    lease = lease_of(ws)
    if lease is None or lease.epoch != term or not lease.holds:
        raise NotLeader(f"the control plane that this acts for no longer leads (term {term} is over): it ends here")


@contextmanager
def leading(ws: Workspace) -> Iterator[None]:
    """Act as the leader: as the one that this process is, or as one for the time being if nobody else leads.

    Raises NotLeader, naming who does.
    """
    if not ws.settings.state.url:
        yield
        return
    if ws.leader is not None:
        ws.leader.epoch()
        yield
        return
    leader = _leader(ws, lambda _line: None)
    try:
        if not leader.seek():
            raise NotLeader(f"{told(lease_of(ws))}: it does this, and this call does nothing")
    except BaseException:
        leader.close()
        raise
    with leader:
        ws.leader = leader
        try:
            yield
        finally:
            ws.leader = None


@contextmanager
def standing_by(ws: Workspace, say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """For as long as the block lasts, lead or stand by to; gives whether it does now. Says when that changes.

    On SQLite it always does: passes of several watchers take turns by a lock.
    """
    if not ws.settings.state.url:
        yield lambda: True
        return
    leader = _leader(ws, say)
    ws.leader = leader
    try:
        with leader:
            yield lambda: leader.leads
    finally:
        ws.leader = None


def lease_of(ws: Workspace) -> Lease | None:
    """Who leads or led last; None on SQLite, and before anybody did."""
    from fairlead.ops.state.leading import read_lease

    return read_lease(ws.state.backend)


def leader_of(ws: Workspace) -> dict[str, Any] | None:
    """What `status` says: holder, epoch, since, whether it leads still; None on SQLite, and before anybody did."""
    lease = lease_of(ws)
    if lease is None:
        return None
    return {"holder": lease.holder, "epoch": lease.epoch, "since": lease.since, "leads": lease.holds}


def told(lease: Lease | None) -> str:
    """Who leads, in words."""
    if lease is None or not lease.holds:
        return "another control plane began to lead just now"
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(lease.since))
    return f"control plane {lease.holder} leads since {since}"


def _leader(ws: Workspace, say: Callable[[str], None]) -> Leader:
    from fairlead.ops.state.leading import Leader

    return Leader(_backend(ws), holder(), ws.settings.state.lease_s, say)


def _backend(ws: Workspace) -> Backend:
    """Connections of its own: a long transaction of the watcher must not hold a renewal up."""
    from fairlead.ops.state.backends.port import backend_of

    return backend_of(ws.settings.state.url, password=_password(ws), holder=holder())


def _password(ws: Workspace) -> str:
    from fairlead.ops.alerts.secrets import resolved

    asked = ws.settings.state.password
    if asked.startswith("file:"):
        asked = f"file:{ws.project.root / asked.removeprefix('file:')}"
    return resolved(asked, "state.password") if asked else ""
