"""What a backup consists of, and its names in a store.

    objects/ab/abcd...          a part of a file, by its sha256; the same part is stored once, whoever has it
    snapshots/<epoch>/<id>.json what a home consisted of at one moment, signed by its seal key
    heads/<epoch>.json          the newest snapshot of an epoch: the one object that is ever replaced
    epochs/<epoch>.json         which home writes in that epoch (`epochs.py`)

A head is written after all that it leads to, so a backup that is killed leaves the one before whole.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from fairlead.contract.errors import BundleRefused, FormatUnknown, ObjectNotFound, StateError
from fairlead.contract.stores import Store, walk
from fairlead.runtime.bundle.keys import SigningKey, check_line, signed_line

T = TypeVar("T")
FORMAT = 1
PART_BYTES = 4 << 20
MOST_BYTES = 256 << 20
"""Of one list of files: some hundred thousand of them."""
_DOMAIN = b"fairlead snapshot 1\n"


class Kept(msgspec.Struct, frozen=True):
    """One file. path: within the home. parts: hashes of its pieces of PART_BYTES. mark: changes when it does."""

    path: str
    bytes: int
    mode: int
    mark: str
    parts: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True):
    """A home at one moment. at: when its state was copied; what came later may be missing. keys: the object that holds
    them, encrypted; "" without them. rows: of state, by table. signer: public seal key of the home (hex)."""

    id: str
    at: float
    epoch: int
    owner: str
    fairlead: str
    files: tuple[Kept, ...]
    keys: str
    signer: str
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(one.bytes for one in self.files)


class Head(msgspec.Struct, frozen=True):
    """Which snapshot is the newest. sha256: of the object that holds it."""

    snapshot: str
    epoch: int
    sha256: str
    at: float


def object_name(sha256: str) -> str:
    """Where a part lies."""
    return f"objects/{sha256[:2]}/{sha256}"


def snapshot_name(epoch: int, id: str) -> str:
    """Where a snapshot lies."""
    return f"snapshots/{epoch:06d}/{id}.json"


def head_name(epoch: int) -> str:
    """Where the head of an epoch lies."""
    return f"heads/{epoch:06d}.json"


def write_snapshot(store: Store, snapshot: Snapshot, key: SigningKey) -> Head:
    """Store it, signed; the head that leads to it, which the caller writes last."""
    body = msgspec.json.encode(snapshot)
    whole = signed_line(key, _DOMAIN + body) + body
    digest = hashlib.sha256(whole).hexdigest()
    store.put(snapshot_name(snapshot.epoch, snapshot.id), whole, sha256=digest)
    return Head(snapshot.id, snapshot.epoch, digest, snapshot.at)


def head_of(store: Store, id: str) -> Head:
    """The head that would lead to a snapshot, older ones too. Raises ObjectNotFound, which names the newest ten."""
    known = [one.name for one in walk(store, "snapshots/")]
    name = next((one for one in known if one.endswith(f"/{id}.json")), None)
    if name is None:
        newest = ", ".join(one.rsplit("/", 1)[1].removesuffix(".json") for one in sorted(known)[:-11:-1])
        raise ObjectNotFound(f"{store.address} holds no snapshot {id[:60]!r}; the newest are: {newest or 'none'}.")
    whole = store.read(name, limit=MOST_BYTES)
    return Head(id, int(name.split("/")[1]), hashlib.sha256(whole).hexdigest(), 0.0)


def read_snapshot(store: Store, head: Head, trusted: tuple[str, ...] | None) -> Snapshot:
    """The snapshot that a head leads to; nothing of it is read before its hash and signature hold.

    trusted: public keys (hex) that may have signed it; None for any, which the caller then compares with the key in
    the backup. Raises ObjectNotFound, ObjectDamaged, BundleRefused, FormatUnknown.
    """
    whole = store.read(snapshot_name(head.epoch, head.snapshot), limit=MOST_BYTES, sha256=head.sha256)
    line, _, body = whole.partition(b"\n")
    signer, why = check_line(line + b"\n", _DOMAIN + body, trusted)
    if why is not None:
        raise BundleRefused(f"snapshot {head.snapshot}: {why}")
    if decoded(body, _Format, "snapshot").format != FORMAT:
        raise FormatUnknown(f"snapshot {head.snapshot} was written by a newer Fairlead: use that one")
    snapshot = decoded(body, Snapshot, "snapshot")
    if snapshot.signer != signer or (snapshot.id, snapshot.epoch) != (head.snapshot, head.epoch):
        raise BundleRefused(f"snapshot {head.snapshot}: it is signed by another key than it names, or is another one")
    return snapshot


class _Format(msgspec.Struct):
    format: int


def decoded(raw: bytes, kind: type[T], what: str) -> T:
    """JSON of a store as what it must be. Raises StateError."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise StateError(f"the {what} in the store is no such thing: something else wrote there") from None
