"""A second home beside a first one: kept up to date from its backups, and the live one by one command."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.contract.stores import Store
from fairlead.ops.keep.bringing import build, check, place
from fairlead.ops.keep.epochs import (
    FILE,
    FOLLOWING,
    Following,
    Own,
    claim_next,
    new_owner,
    newest_claim,
    newest_head,
)
from fairlead.ops.keep.epochs import place as place_of
from fairlead.ops.keep.locking import KeyLock
from fairlead.ops.keep.snapshot import decoded
from fairlead.ops.state import FileLock
from fairlead.runtime.capture.cursor import sync_folder, write_durable
from fairlead.runtime.serve.remote.document import new_epoch


class Followed(msgspec.Struct, frozen=True):
    """One look. new: whether there was something. behind_s: age of what this home now is."""

    snapshot: str
    new: bool
    at: float
    behind_s: float
    bytes: int
    reused: int
    seconds: float


class Promoted(msgspec.Struct, frozen=True):
    """A home that became the live one. epoch: which it writes in from now on."""

    snapshot: str
    epoch: int
    at: float
    behind_s: float
    seconds: float


def following(root: Path) -> Following | None:
    """What a home follows; None for a live one."""
    try:
        return decoded((root / FOLLOWING).read_bytes(), Following, FOLLOWING)
    except FileNotFoundError:
        return None


def follow(store: Store, root: Path, lock: KeyLock, *, signer: str = "") -> Followed:
    """Bring the home at `root` up to the newest snapshot, if it is not. Absent or empty, it begins to follow.

    The next home is made beside it, files that are the same copied from here, checked, and put in its place. signer:
    as for `restore`; from the second time on the key of the home itself must have signed in any case. Raises
    UsageError for a live home, and what `restore` raises; the home is then as it was.
    """
    with _alone(root):
        return _follow(store, root, lock, signer)


def _follow(store: Store, root: Path, lock: KeyLock, signer: str = "") -> Followed:
    began = time.monotonic()
    _recover(root)
    known = following(root)
    if known is None and root.exists() and any(root.iterdir()):
        raise UsageError(f"{root.name} is a live home, or none: a home that follows begins in an empty folder.")
    if known is not None and known.address not in (place_of(store), store.address):
        raise UsageError(f"{root.name} follows {known.address}, not {store.address}.")
    head = newest_head(store)
    if known is not None and known.head == head:
        return Followed(head.snapshot, False, head.at, _behind(head.at), 0, 0, round(time.monotonic() - began, 3))
    aside = _next(root)
    snapshot, reused, keys = build(store, head, aside, lock, like=root if known else None, signer=signer)
    if not keys:
        raise UsageError("this backup has no keys: a home that follows could never become the live one.")
    check(aside, keys)
    owner = known.owner if known else new_owner()
    write_durable(aside / FOLLOWING, msgspec.json.encode(Following(owner, place_of(store), head)))
    if known is None:
        place(aside, root)
    else:
        _exchange(aside, root)
    taken = round(time.monotonic() - began, 3)
    return Followed(snapshot.id, True, snapshot.at, _behind(snapshot.at), snapshot.bytes, reused, taken)


def promote(store: Store, root: Path, lock: KeyLock) -> Promoted:
    """Make the home that follows the live one: the last snapshot, then the next epoch of the store, then open.

    From the claim on the home of before can add no backup that anybody looks at. May be repeated after a kill.
    Raises UsageError for a home that does not follow, Refused if another home was faster.
    """
    with _alone(root):
        began = time.monotonic()
        _recover(root)
        known = following(root)
        if known is None:
            raise UsageError(
                f"{root.name} follows nothing: `fairlead restore SOURCE --into {root.name} --follow` begins."
            )
        claim = newest_claim(store)
        if claim is None or claim.owner != known.owner:
            _follow(store, root, lock)
            known = following(root) or known
            epoch = claim_next(store, known.owner, time.time(), known.head, known.head.epoch)
        else:
            epoch = claim.epoch  # claimed by a call that was killed right after
        whence = place_of(store)
        own = Own(known.owner, {whence: epoch}, {whence: (known.head.snapshot,)})
        write_durable(root / FILE, msgspec.json.encode(own))
        new_epoch(root)  # servers on other machines obey this home, whatever the one before told them last
        (root / FOLLOWING).unlink()
        sync_folder(root)
        at = known.head.at
        return Promoted(known.head.snapshot, epoch, at, _behind(at), round(time.monotonic() - began, 3))


def _behind(at: float) -> float:
    return round(max(time.time() - at, 0.0), 3)


def _alone(root: Path) -> FileLock:
    root.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(root.with_name(f".{root.name}.following.lock"))


def _next(root: Path) -> Path:
    return root.with_name(f".{root.name}.next")


def _last(root: Path) -> Path:
    return root.with_name(f".{root.name}.last")


def _exchange(aside: Path, root: Path) -> None:
    """Two renames; `_recover` finishes what is killed in between."""
    for name in ("run", "spool", "records", "labels", "reports", "tables", "bundles", "attestations"):
        (aside / name).mkdir(exist_ok=True)
    last = _last(root)
    shutil.rmtree(last, ignore_errors=True)
    os.rename(root, last)
    os.rename(aside, root)
    sync_folder(root.parent)
    shutil.rmtree(last, ignore_errors=True)


def _recover(root: Path) -> None:
    last = _last(root)
    if not root.exists() and last.exists():
        aside = _next(root)
        os.rename(aside if following_or_none(aside) else last, root)
        sync_folder(root.parent)
    shutil.rmtree(last, ignore_errors=True)


def following_or_none(root: Path) -> Following | None:
    """What a folder follows, None also where that cannot be read."""
    try:
        return following(root)
    except (FairleadError, OSError):
        return None
