"""`fairlead restore`: a home from a backup, whole or not at all, and checked before it is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from fairlead.contract.errors import (
    AuditBroken,
    BundleRefused,
    FormatUnknown,
    ObjectDamaged,
    ObjectNotFound,
    StateError,
    UsageError,
)
from fairlead.contract.stores import Store
from fairlead.ops.audit import Audit
from fairlead.ops.keep.epochs import FILE, Own, new_owner, newest_head
from fairlead.ops.keep.epochs import place as place_of
from fairlead.ops.keep.locking import KeyLock
from fairlead.ops.keep.snapshot import PART_BYTES, Head, Kept, Snapshot, object_name, read_snapshot
from fairlead.ops.keep.staging import HEAD, STATE
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.ops.state.copying import copy_rows
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.capture.cursor import sync_folder, write_durable
from fairlead.runtime.serve.remote.document import new_epoch

THREADS = 4
_MOST_KEYS = 16 << 20
_ELSE = (
    "Take an older snapshot (--snapshot), an older copy of the store (versions of the bucket), or another backup, and "
    "back up to a new place from then on."
)


class Restored(msgspec.Struct, frozen=True):
    """What came back. at: the moment it is of; behind_s: how long before the call that was, the time whose changes may
    be lost. reused: bytes that were here already. answers: bundles whose golden rows were answered as sealed. signer:
    public key (hex) that signed it, to be compared with the home's where others may write to the store.
    """

    snapshot: str
    epoch: int
    at: float
    behind_s: float
    files: int
    bytes: int
    reused: int
    events: int
    answers: int
    keys: bool
    seconds: float
    signer: str = ""


def restore(store: Store, into: Path, lock: KeyLock, *, head: Head | None = None, signer: str = "") -> Restored:
    """Bring a home back from the newest snapshot (or that of `head`) into `into`, which must be empty or absent.

    signer: public key (hex) that must have signed it; "" believes the key that lies in the backup. What a call that
    was killed had fetched is used. Raises UsageError, Refused for keys that do not open, BundleRefused and AuditBroken
    for what does not verify, StoreFailed; nothing is at `into` then, and opened keys are nowhere.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into.name} is not empty: restore into an empty folder, or move it away first.")
    began, called = time.monotonic(), time.time()
    aside = into.with_name(f".{into.name}.restoring")
    with _making(aside):
        asked = newest_head(store) if head is None else head
        newest = asked if head is None else _newest(store, asked)
        snapshot, reused, keys = build(store, asked, aside, lock, like=None, signer=signer)
        events, answers = check(aside, keys)
    if keys:
        whence = place_of(store)
        own = Own(new_owner(), {whence: -newest.epoch}, {whence: (newest.snapshot,)})
        write_durable(aside / FILE, msgspec.json.encode(own))
    # What servers on other machines obeyed since this snapshot may bear a larger number than what is decided next.
    new_epoch(aside)
    place(aside, into)
    return Restored(
        snapshot.id, snapshot.epoch, snapshot.at, round(called - snapshot.at, 3), len(snapshot.files), snapshot.bytes,
        reused, events, answers, keys, round(time.monotonic() - began, 3), snapshot.signer,
    )  # fmt: skip


def _newest(store: Store, asked: Head) -> Head:
    """The newest snapshot; where what leads to it is damaged or gone, the older one that is asked for instead."""
    try:
        return newest_head(store)
    except (ObjectDamaged, ObjectNotFound, StateError, UsageError):
        return asked


@contextmanager
def _making(aside: Path) -> Iterator[None]:
    """Whatever fails, keys that were opened do not stay beside a home that never came; where the store lost something,
    what to do."""
    try:
        yield
    except BaseException as failure:
        shutil.rmtree(aside / "keys", ignore_errors=True)
        with suppress(OSError):
            aside.rmdir()
        if isinstance(failure, ObjectDamaged | ObjectNotFound):
            raise type(failure)(f"{failure}. {_ELSE}") from None
        raise


def build(
    store: Store, head: Head, aside: Path, lock: KeyLock, like: Path | None, signer: str = ""
) -> tuple[Snapshot, int, bool]:
    """Make the home of a snapshot in the folder `aside`, durable; bytes that were there already, and whether its keys
    are in it. like: a home whose files are copied where they are the same, and whose key must have signed: keys that
    are locked for a public key can be locked by whoever may write to the store. signer: who must have, as well.
    """
    own = "" if like is None else SigningKey.load(like / "keys" / "seal.key").public
    if signer and own and signer != own:
        raise UsageError(f"--signer names another key than the one of this home, {own}.")
    expected = signer or own
    try:
        snapshot = read_snapshot(store, head, (expected,) if expected else None)
    except BundleRefused as refused:
        if not expected:
            raise
        why = f"It must be signed by {expected}: this one is of another home, or somebody else wrote to the store"
        raise BundleRefused(f"{refused}. {why}") from None
    aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = _bring_keys(store, snapshot, aside, lock)
    _sweep(aside, {one.path for one in snapshot.files})
    fetch = _Fetch(store, aside, like)
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(fetch.file, one) for one in snapshot.files]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for folder in {(aside / one.path).parent for one in snapshot.files} | {aside}:
        sync_folder(folder)
    return snapshot, fetch.reused, keys


def check(root: Path, keys: bool) -> tuple[int, int]:
    """Events of the audit chain and bundles that answer as sealed. Without keys the seals cannot be held to them.

    Raises AuditBroken, BundleRefused.
    """
    home = Home(root)
    with State.open(home.state_db) as state:
        trusted = _trusted(home) if keys else ()
        audit = Audit(state, head=root / HEAD if keys and (root / HEAD).exists() else None, trusted=trusted)
        report = audit.verify()
        if not report.ok:
            raise AuditBroken(f"the audit chain of the backup does not verify: {report.why}")
        bundles = {v.bundle for m in state.models() if (i := state.intent(m)) is not None for v in i.variants}
    answers = 0
    for bundle in sorted(bundles) if keys else ():
        try:
            load(home.bundles / bundle, trusted)
        except BundleRefused as refusal:
            if "native" in str(refusal):
                continue  # it needs a process of its own, on terms that the project states
            raise BundleRefused(f"bundle {bundle[:12]} of the backup is refused: {refusal}") from refusal
        answers += 1
    for left in root.glob(f"{STATE}*.lock"):
        left.unlink()
    return report.events, answers


def place(aside: Path, into: Path) -> None:
    """Let the home appear, durably."""
    for name in ("run", "spool", "records", "labels", "reports", "tables", "bundles", "attestations", "keys"):
        (aside / name).mkdir(exist_ok=True, mode=0o700 if name == "keys" else 0o777)
    if into.exists():
        into.rmdir()
    os.rename(aside, into)
    sync_folder(into.parent)


class _Fetch:
    """Files coming out of a store."""

    def __init__(self, store: Store, root: Path, like: Path | None) -> None:
        self.reused = 0
        self._store, self._root, self._like = store, root, like

    def file(self, kept: Kept) -> None:
        """One file, unless it is there; copied where the other home has it."""
        path = self._root / _safe(kept.path)
        if _same(path, kept):
            self.reused += kept.bytes
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if self._like is not None and kept.path != STATE and _same(self._like / kept.path, kept):
            # A copy, not a link: a bundle whose files are linked elsewhere is refused, and rightly.
            shutil.copyfile(self._like / kept.path, path)
            _settle(path, kept)
            self.reused += kept.bytes
            return
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for part in kept.parts:
                file.write(self._part(kept, part))
        _settle(path, kept)
        if path.stat().st_size != kept.bytes:
            raise StateError(f"{kept.path} of the backup has another size than its list says")

    def _part(self, kept: Kept, part: str) -> bytes:
        try:
            return self._store.read(object_name(part), limit=PART_BYTES, sha256=part)
        except ObjectNotFound:
            raise ObjectNotFound(f"{self._store.address} lacks a part of {kept.path}: somebody removed it") from None
        except ObjectDamaged as damaged:
            raise ObjectDamaged(f"{damaged}: a part of {kept.path} is damaged") from None


def _settle(path: Path, kept: Kept) -> None:
    """Durable, with the mode it had."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), kept.mode & 0o777)


def _same(path: Path, kept: Kept) -> bool:
    """Whether the file is there, by the hash of every part."""
    try:
        if path.is_symlink() or path.stat().st_size != kept.bytes:
            return False
        with path.open("rb") as file:
            return all(hashlib.sha256(file.read(PART_BYTES)).hexdigest() == part for part in kept.parts)
    except OSError:
        return False


def _safe(path: str) -> str:
    """A path that stays in the home. Raises FormatUnknown."""
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or "\0" in path or any(p in ("", ".", "..") for p in parts):
        raise FormatUnknown(f"the backup names a file outside of a home: {path[:80]!r}")
    return path


def _sweep(aside: Path, wanted: set[str]) -> None:
    """Files of an earlier try that this snapshot does not have."""
    for path in sorted(aside.rglob("*"), reverse=True):
        name = path.relative_to(aside).as_posix()
        if name.split("/")[0] == "keys":
            continue
        if path.is_symlink() or (path.is_file() and name not in wanted):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _bring_keys(store: Store, snapshot: Snapshot, aside: Path, lock: KeyLock) -> bool:
    """The keys, opened; they say who may have signed the snapshot, which is checked before anything else is read."""
    folder = aside / "keys"
    shutil.rmtree(folder, ignore_errors=True)
    if not snapshot.keys:
        return False
    locked = store.read(object_name(snapshot.keys), limit=_MOST_KEYS, sha256=snapshot.keys)
    plain = lock.open(locked, snapshot.id)
    files = msgspec.msgpack.decode(plain, type=dict[str, tuple[int, bytes]])
    folder.mkdir(mode=0o700)
    for name, (mode, body) in files.items():
        if "/" in name or name.startswith("."):
            raise FormatUnknown("the keys of the backup have names that keys do not have")
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode & 0o777)
    sync_folder(folder)
    if SigningKey.load(folder / "seal.key").public != snapshot.signer:
        raise BundleRefused(f"snapshot {snapshot.id}: it was signed by another key than the one that it holds")
    return True


def _trusted(home: Home) -> tuple[str, ...]:
    others = sorted(path.read_text().strip() for path in home.keys.glob("*.pub"))
    return (SigningKey.load(home.seal_key).public, *others)


def fill(root: Path, state: State) -> dict[str, int]:
    """Put what a restored home brought as `state.db` into the database that its project names; rows by table.

    Raises StateError if that holds anything already. The file goes once all is committed.
    """
    path = root / STATE
    with (
        State.open(path) as brought,
        brought.backend.connect(writing=False) as source,
        state.backend.connect(writing=True) as target,
    ):
        rows = copy_rows(source, target)
    for left in root.glob(f"{STATE}*"):
        left.unlink()
    return rows
