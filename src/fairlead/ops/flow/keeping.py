"""What lies in `[stores]` besides the home: bundles, records and labels, sent after every collection."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from fairlead.contract.errors import FairleadError
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.stores import Mirrored, StoredBundles
from fairlead.runtime.capture import Expired, expire

EVERY_S = 30.0


class Kept(msgspec.Struct, frozen=True):
    """Bundles that were sent; files of records and labels that were sent, removed there, fetched."""

    bundles: int = 0
    sent: int = 0
    removed: int = 0
    fetched: int = 0


def keeps(ws: Workspace) -> bool:
    """Whether the project names a store."""
    return bool(ws.settings.stores.bundles or ws.settings.stores.records)


def keep(ws: Workspace) -> Kept:
    """Send what the stores do not have, and fetch what others sent. Raises StoreFailed; the next call goes on.

    A home that takes its routes from elsewhere is watched there: it has no bundles of its own, and what others sent is
    nothing to it.
    """
    elsewhere = bool(ws.settings.serve.routes)
    bundles = ws.store.send_all() if isinstance(ws.store, StoredBundles) and not elsewhere else 0
    sent, fetched = Mirrored(), Mirrored()
    if ws.mirror is not None:
        try:
            sent = ws.mirror.push()
        finally:
            # A file that cannot be sent keeps nothing away that others sent.
            fetched = fetched if elsewhere else ws.mirror.pull()
    return Kept(bundles, sent.sent, sent.removed, fetched.fetched)


def let_days_end(ws: Workspace) -> Expired:
    """Remove days of records and labels that are over, but for those that `[stores] records` does not have yet: they
    end once they are there. Raises Busy where a collector is at work for a minute."""
    asked = (ws.home.root, ws.settings.capture.keep_days, ws.clock())
    return expire(*asked) if ws.mirror is None else expire(*asked, ws.mirror.waits())


def keep_on(ws: Workspace, say: Callable[[str], None], stop: threading.Event | None = None) -> threading.Thread | None:
    """`keep` each half minute, as every call to a store costs, in a thread of its own: one that does not answer holds
    no collecting up. What fails is said once until it works again. None where the project names no store."""
    if not keeps(ws):
        return None
    stop = stop or threading.Event()

    def run() -> None:
        failed = ""
        while not stop.is_set():
            try:
                kept = keep(ws)
                if kept.bundles or kept.removed or kept.fetched or failed:
                    say(f"stores: {kept.bundles} bundles and {kept.sent} files sent, {kept.fetched} fetched")
                failed = ""
            except (FairleadError, OSError) as failure:  # the second: of a disk here that is full, or fails
                if str(failure) != failed:
                    say(f"stores: failed: {failure}")
                failed = str(failure)
            stop.wait(EVERY_S)

    thread = threading.Thread(target=run, name="stores", daemon=True)
    thread.start()
    return thread
