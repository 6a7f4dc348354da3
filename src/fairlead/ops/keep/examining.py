"""Backups, for `doctor`: how old they are, whether one was ever brought back, and whether they are still ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fairlead.contract.errors import FairleadError, StoreFailed
from fairlead.contract.evidence import Check
from fairlead.ops.flow import Workspace
from fairlead.ops.keep.epochs import newest_claim, newest_head, own
from fairlead.ops.keep.noting import FILE as NOTED
from fairlead.ops.keep.noting import Noted, backups_of, place_of
from fairlead.ops.project import parse_duration
from fairlead.ops.stores import store_of


def backed_up(ws: Workspace) -> list[Check]:
    """Each place that this home was backed up to, and the one it is to be: how old the newest is, whether one was
    brought back and checked, and whether another home took over."""
    return [*_left(ws.home.root), *_places(ws, backups_of(ws.home.run))]


def _left(root: Path) -> Iterator[Check]:
    """A `restore` that was killed leaves opened keys beside the home that it was to make."""
    aside = root.with_name(f".{root.name}.restoring")
    if aside.exists():
        why = f"{aside.name}, beside the home, is of a restore that was killed and holds keys: remove it"
        yield Check("restore", 1, 0, "fail", why)


def _places(ws: Workspace, noted: list[Noted]) -> list[Check]:
    asked = ws.settings.backup
    if asked.to and not any(one.to == place_of(asked.to, ws.project.root) for one in noted):
        why = f"[backup] to says {asked.to}, and this home was never backed up there: run `fairlead backup {asked.to}`"
        checks = [Check("backup", None, None, "fail", why)]
    elif not noted:
        why = "none was made from this home: `fairlead backup`, see docs/how-to/backup.md"
        return [Check("backup", None, None, "pass", why)]
    else:
        checks = []
    for one in noted:
        checks += [_aged(ws, one), _tried(ws, one), *_there(ws, one)]
    return checks


def _aged(ws: Workspace, one: Noted) -> Check:
    asked = ws.settings.backup
    ours = asked.every if not asked.to or place_of(asked.to, ws.project.root) == one.to else ""
    limit = parse_duration(ours) if ours else max(2 * one.every_s, 120.0) if one.every_s else None
    age = max(ws.clock() - one.at, 0.0)
    name = f"backup to {one.address}"
    if limit is None or age <= limit:
        return Check(name, round(age), limit, "pass", f"seconds since the newest, {one.snapshot}")
    again = f"start `fairlead backup {one.address} --every {one.every_s:g}` again" if one.every_s else (
        f"run `fairlead backup {one.address}`, or let it go on with --every"
    )  # fmt: skip
    return Check(name, round(age), limit, "fail", f"seconds since the newest, what came after would be lost: {again}")


def _tried(ws: Workspace, one: Noted) -> Check:
    name, limit = f"backup to {one.address}: verified", ws.settings.backup.verify
    if not one.keys:
        return Check(name, None, None, "pass", "it holds no keys, so nothing can be held to its seals")
    age = max(ws.clock() - one.verified_at, 0.0) if one.verified_at else None
    if limit and (age is None or age > parse_duration(limit)):
        when = "never" if age is None else f"{age:.0f} s ago"
        why = f"last brought back and checked: {when}. Run `fairlead backup {one.address} --verify`"
        return Check(name, None if age is None else round(age), parse_duration(limit), "fail", why)
    why = "never brought back: --verify does it" if age is None else "seconds since one was brought back and checked"
    return Check(name, None if age is None else round(age), None, "pass", why)


def _there(ws: Workspace, one: Noted) -> Iterator[Check]:
    """The store holds what this home noted, and no other home took over."""
    if not one.to:
        return  # its address holds a secret, which is noted nowhere
    name = f"backup to {one.address}: store"
    try:
        store = store_of(one.to, ws.settings.stores.terms)
        try:
            claim, head, mine = newest_claim(store), newest_head(store), own(ws.home.root)
            ours = mine.wrote(store, head)
        finally:
            store.close()
    except FairleadError as failure:
        lost = "" if isinstance(failure, StoreFailed) else (
            " What was backed up there is gone: back up anew, or, if it is meant to be gone, take the place out of "
            f"run/{NOTED}."
        )  # fmt: skip
        yield Check(name, None, None, "fail", f"{failure}{lost}")
        return
    if claim is not None and claim.owner != mine.owner:
        why = f"another home took over (epoch {claim.epoch}): this one is not live any more, take it off the network"
        yield Check(name, claim.epoch, one.epoch, "fail", why)
    elif head.at < one.at - 1e-3:
        why = f"its newest is {head.snapshot}, older than {one.snapshot}, which was made here: somebody put it back"
        yield Check(name, head.snapshot, one.snapshot, "fail", why)
    elif not ours:
        why = (
            f"its newest is {head.snapshot}, which was not made here: a copy of this home backs up there, too, or this "
            "one was put back to an earlier time. Take one of the two off the network, or give it a place of its own"
        )
        yield Check(name, head.snapshot, one.snapshot, "fail", why)
    else:
        yield Check(name, head.snapshot, one.snapshot, "pass", "holds the newest that was made here")
