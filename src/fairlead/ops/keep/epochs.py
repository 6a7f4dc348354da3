"""Which home may write backups to a store: a number that only grows, claimed by an object that can be made once.

A home that is promoted claims the next epoch; from then on the one before is told so, and what it may still write lies
under its own epoch, where nobody looks any more.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from fairlead.contract.errors import ObjectExists, ObjectNotFound, Refused, UsageError
from fairlead.contract.stores import Store, walk
from fairlead.ops.keep.snapshot import Head, decoded, head_name
from fairlead.ops.project.home import FOLLOWING
from fairlead.runtime.capture.cursor import write_durable

FILE = "keep.json"
__all__ = ["FILE", "FOLLOWING", "Claim", "Following", "Own"]


class Claim(msgspec.Struct, frozen=True):
    """Who writes in an epoch. base: the snapshot that its home began with, None for the first."""

    epoch: int
    owner: str
    at: float
    base: Head | None = None


class Own(msgspec.Struct, frozen=True):
    """What a home knows of itself. owner: its name, of chance. epochs: by store, the one it writes in, or, where it is
    negative, the one that it was brought back from and has yet to follow."""

    owner: str
    epochs: dict[str, int] = {}


class Following(msgspec.Struct, frozen=True):
    """A home that is kept up to date and is not live. address: of the store."""

    owner: str
    address: str
    head: Head


def own(root: Path) -> Own:
    """What the home at `root` knows of itself; made on first use."""
    path = root / FILE
    try:
        return decoded(path.read_bytes(), Own, FILE)
    except FileNotFoundError:
        made = Own(new_owner())
        write_durable(path, msgspec.json.encode(made))
        os.chmod(path, 0o600)
        return made


def new_owner() -> str:
    """A name that no other home has."""
    return secrets.token_hex(16)


def newest_claim(store: Store) -> Claim | None:
    """The claim of the last epoch; None in a store without backups."""
    last = None
    for one in walk(store, "epochs/"):
        last = one.name
    return None if last is None else decoded(store.read(last), Claim, "claim of an epoch")


def newest_head(store: Store) -> Head:
    """The newest snapshot of the last epoch. Raises UsageError where there is none."""
    claim = newest_claim(store)
    if claim is None:
        raise UsageError(f"{store.address} holds no backup: `fairlead backup` makes one.")
    try:
        return decoded(store.read(head_name(claim.epoch)), Head, "head")
    except ObjectNotFound:
        if claim.base is None:
            raise UsageError(
                f"{store.address} holds no backup that was finished: run `fairlead backup` again."
            ) from None
        return claim.base


def claim_next(store: Store, owner: str, at: float, base: Head | None, after: int) -> int:
    """Take the epoch after `after`; the same owner may ask again. Raises Refused if another home was faster."""
    epoch = after + 1
    name = f"epochs/{epoch:06d}.json"
    try:
        store.put(name, msgspec.json.encode(Claim(epoch, owner, at, base)), if_absent=True)
    except ObjectExists:
        found = decoded(store.read(name), Claim, "claim of an epoch")
        if found.owner != owner:
            raise Refused(
                f"another home took over {store.address} (epoch {epoch}): this one is no longer the live one"
            ) from None
    return epoch


def epoch_to_write(root: Path, store: Store, at: float) -> int:
    """The epoch that the home at `root` writes in; claimed on first use, or after it was brought back from there.

    Raises Refused if another home took over, UsageError if the store is another home's.
    """
    mine, claim = own(root), newest_claim(store)
    known = mine.epochs.get(store.address)
    if claim is None:
        epoch = claim_next(store, mine.owner, at, None, 0)
    elif claim.owner == mine.owner:
        epoch = claim.epoch
    elif known is None:
        raise UsageError(f"{store.address} holds backups of another home: give this one a place of its own.")
    elif known < 0 and claim.epoch == -known:
        epoch = claim_next(store, mine.owner, at, newest_head(store), claim.epoch)
    else:
        raise Refused(
            f"another home took over {store.address} (epoch {claim.epoch}, this one wrote in {abs(known)}): "
            "this home is no longer the live one, and nothing was written"
        )
    if known != epoch:
        keep_epoch(root, mine, store.address, epoch)
    return epoch


def require_epoch(store: Store, epoch: int) -> None:
    """Raises Refused if another home took over meanwhile."""
    claim = newest_claim(store)
    if claim is None or claim.epoch != epoch:
        raise Refused(f"another home took over {store.address} while this backup went on: it does not count")


def keep_epoch(root: Path, mine: Own, address: str, epoch: int) -> None:
    """Remember it in the home."""
    write_durable(root / FILE, msgspec.json.encode(Own(mine.owner, {**mine.epochs, address: epoch})))
