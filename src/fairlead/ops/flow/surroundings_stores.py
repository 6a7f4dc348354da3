"""Stores, for `doctor`: each is written to, read and cleaned, and asked how it keeps what it got."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from fairlead.contract.errors import FairleadError
from fairlead.contract.evidence import Check
from fairlead.contract.stores import Facts, Store, StoreTerms
from fairlead.ops.flow.workspace import Workspace

MOST_SKEW_S = 60.0
"""Stores that sign requests refuse at 15 minutes; times of theirs are told by the second."""
LONGEST_WAITING_S = 3600.0
PROBE = "doctor/probe-"


def stored(ws: Workspace) -> list[Check]:
    """Each store that the project names can be listed, written, read and deleted from, encrypts as it is asked to, and
    has a clock near ours."""
    checks = []
    for name in ("bundles", "records"):
        address = getattr(ws.settings.stores, name)
        if address:
            checks += probed(f"store of {name}", partial(_opened, ws, address), ws.settings.stores.terms)
    return checks + waiting(ws)


def _opened(ws: Workspace, address: str) -> Store:
    from fairlead.ops.stores import store_at

    return store_at(address, ws.settings.stores, ws.project.root)


def probed(name: str, opened: Callable[[], Store], terms: StoreTerms) -> list[Check]:
    """What a store says to an object of a moment. The first thing that fails is told; the object goes again."""
    try:
        store = opened()
    except FairleadError as failure:
        return [Check(name, None, None, "fail", str(failure))]
    try:
        root = getattr(store, "root", None)
        if isinstance(root, Path) and not root.is_dir():
            why = "is not there yet: it is made when something is first sent; if it is to be mounted, mount it"
            return [Check(name, None, None, "inconclusive", f"{store.address} {why}", refuses=False)]
        return list(_probe(name, store, terms))
    finally:
        store.close()


def _probe(name: str, store: Store, terms: StoreTerms) -> Iterator[Check]:
    probe, body = f"{PROBE}{secrets.token_hex(8)}", secrets.token_bytes(64)
    doing, began, facts = "listed", time.time(), None
    try:
        store.list(limit=1)
        doing = "written to"
        began = time.time()
        store.put(probe, body)
        ended = time.time()
        doing = "read from"
        store.read(probe, limit=64)
        facts = store.facts(probe)
        doing = "deleted from"
        store.delete(probe)
    except FairleadError as failure:
        if doing == "read from":
            _removed(store, probe)
        yield Check(name, doing, None, "fail", f"it cannot be {doing}: {failure}")
        return
    took = round((ended - began) * 1000)
    yield Check(name, took, None, "pass", f"can be listed, written, read and deleted from; a write took {took} ms")
    if facts is not None:
        yield _encrypted(name, facts, terms)
        yield _in_time(name, facts, began, ended)


def _removed(store: Store, probe: str) -> None:
    try:
        store.delete(probe)
    except FairleadError:
        return  # what is told already is why


def _encrypted(name: str, facts: Facts, terms: StoreTerms) -> Check:
    name = f"{name}: encryption"
    if not terms.encrypt:
        said = f"{facts.encrypt} {facts.key}".strip()
        why = f"as it is set there: {said}" if said else "as it is set there, which it does not tell"
        return Check(name, facts.encrypt, None, "pass", why)
    # An alias of a key is told as the key.
    same_key = not terms.key or "alias/" in terms.key or facts.key.startswith(terms.key) or terms.key in facts.key
    if facts.encrypt == terms.encrypt and same_key:
        return Check(name, facts.encrypt, terms.encrypt, "pass", f"as asked for: {facts.encrypt} {facts.key}".rstrip())
    told = f"{facts.encrypt or 'nothing'} {facts.key}".rstrip()
    why = (
        f"asked for {terms.encrypt} {terms.key}".rstrip() + f", the store tells {told}: it does not know "
        "[stores] encrypt, or another key is set; set it in the bucket, or encrypt here by [capture] encrypt"
    )
    return Check(name, facts.encrypt, terms.encrypt, "fail", why)


def _in_time(name: str, facts: Facts, began: float, ended: float) -> Check:
    name = f"clock of the {name}"
    if not facts.at:
        return Check(name, None, MOST_SKEW_S, "pass", "the store does not tell when something was written")
    # Between the two is no skew at all; it tells whole seconds.
    skew = facts.at - ended if facts.at > ended else min(facts.at + 1.0 - began, 0.0)
    if abs(skew) <= MOST_SKEW_S:
        return Check(name, round(skew, 1), MOST_SKEW_S, "pass", "agrees with this machine's")
    why = "seconds it is ahead of this machine's: signed requests are refused from 15 minutes on. Let chrony set ours"
    return Check(name, round(skew, 1), MOST_SKEW_S, "fail", why)


def waiting(ws: Workspace) -> list[Check]:
    """Records get to their store; none for an hour is a complaint, and so are days that are over and wait for it."""
    if not ws.settings.stores.records:
        return []
    try:
        mirror = ws.mirror
        names = mirror.waiting() if mirror is not None else ()
    except FairleadError:
        return []  # the store's own check says why
    ages = [ws.clock() - at for name in names if (at := _written(ws.home.root / name))]
    oldest = max(ages, default=0.0)
    if oldest <= LONGEST_WAITING_S:
        why = (
            "all is in the store" if not names else f"{len(names):,} files go with the next `fairlead collect` or `up`"
        )
        return [Check("records for the store", round(oldest), LONGEST_WAITING_S, "pass", why)]
    why = (
        f"seconds that the oldest of {len(names):,} files has waited, and days that are over stay until then: "
        "run `fairlead collect`, which says why it is not taken, or start `fairlead up`"
    )
    return [Check("records for the store", round(oldest), LONGEST_WAITING_S, "fail", why)]


def _written(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
