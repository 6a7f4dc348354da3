"""Which home may write backups to a store: a number that only grows, claimed by an object that can be made once.

A home that is promoted claims the next epoch; from then on the one before is told so, and what it may still write lies
under its own epoch, where nobody looks any more.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec
from msgspec.structs import replace

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
    """What a home knows of itself. owner: its name, of chance. epochs: by place, the one it writes in, or, where it is
    negative, the one that it was brought back from and has yet to follow. last: by place, the snapshots of which one is
    the newest there while nobody but this home writes; copies of a home have one name, and this tells them apart."""

    owner: str
    epochs: dict[str, int] = {}
    last: dict[str, tuple[str, ...]] = {}

    def epoch_at(self, store: Store) -> int | None:
        """See `epochs`; None for a place that this home does not know."""
        return self.epochs.get(place(store), self.epochs.get(store.address))

    def wrote(self, store: Store, head: Head) -> bool:
        """Whether the newest snapshot there may be this home's own: it is, or nothing is known of the place, or it is
        older than what this home made, as where somebody put it back."""
        known = self.last.get(place(store), ())
        return not known or head.snapshot in known or head.snapshot < max(known)


class Following(msgspec.Struct, frozen=True):
    """A home that is kept up to date and is not live. address: of the store, as `place` has it."""

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


def place(store: Store) -> str:
    """One name for a store, however its address is spelled: of a folder its whole path."""
    root = getattr(store, "root", None)
    return str(root.resolve()) if isinstance(root, Path) else store.address.rstrip("/")


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
    known = mine.epoch_at(store)
    if claim is None:
        epoch = claim_next(store, mine.owner, at, None, 0)
    elif claim.owner == mine.owner:
        epoch = claim.epoch
    elif known is None:
        raise UsageError(f"{store.address} holds backups of another home: give this one a place of its own.")
    elif known < 0 and claim.epoch == -known:
        # Asked before it is claimed: who is refused here must not end the backups of the home that goes on.
        epoch = claim_next(store, mine.owner, at, _brought_back(mine, store, newest_head(store)), claim.epoch)
    else:
        raise Refused(
            f"another home took over {store.address} (epoch {claim.epoch}, this one wrote in {abs(known)}): "
            "this home is no longer the live one, and nothing was written"
        )
    if known != epoch:
        write_durable(root / FILE, msgspec.json.encode(replace(mine, epochs={**mine.epochs, place(store): epoch})))
    return epoch


def _brought_back(mine: Own, store: Store, head: Head) -> Head:
    """The newest snapshot, if it is still the one that this home knows of. Raises Refused."""
    if not mine.wrote(store, head):
        raise Refused(
            f"{store.address} holds snapshot {head.snapshot}, made since this home was brought back: the home of "
            "before still backs up there, and nothing was changed. Take that one off the network and bring its newest "
            "back by `fairlead restore`, or give this one a place of its own"
        )
    return head


def keep_last(root: Path, store: Store, head: Head | None, coming: str) -> None:
    """Remember, before it is put in front of `head`, which snapshot comes next: killed in between, either is ours.

    Raises Refused if what is there was written by a copy of this home.
    """
    mine = own(root)
    if head is not None and not mine.wrote(store, head):
        raise Refused(
            f"{store.address} holds snapshot {head.snapshot}, which was not made here: a copy of this home backs up "
            "there, too, or this one was put back to an earlier time. Take one of the two off, or give it a place of "
            "its own; what the store holds comes back by `fairlead restore`"
        )
    last = (coming,) if head is None else (head.snapshot, coming)
    write_durable(root / FILE, msgspec.json.encode(replace(mine, last={**mine.last, place(store): last})))


def require_epoch(store: Store, epoch: int) -> None:
    """Raises Refused if another home took over meanwhile."""
    claim = newest_claim(store)
    if claim is None or claim.epoch != epoch:
        raise Refused(f"another home took over {store.address} while this backup went on: it does not count")
