"""`fairlead backup`: what changed since the last one goes up, then the list of everything, then the head."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec

from fairlead.contract.errors import ObjectNotFound, StateError, UsageError
from fairlead.contract.stores import Store, walk
from fairlead.ops.keep.bringing import Restored, restore
from fairlead.ops.keep.epochs import epoch_to_write, keep_last, newest_head, own, require_epoch
from fairlead.ops.keep.locking import KeyLock
from fairlead.ops.keep.snapshot import (
    PART_BYTES,
    Head,
    Kept,
    Snapshot,
    head_name,
    object_name,
    read_snapshot,
    write_snapshot,
)
from fairlead.ops.keep.staging import HELD, MOVED, held_still
from fairlead.ops.state import FileLock, State
from fairlead.runtime.bundle import SigningKey

THREADS = 4
_RACY_NS = 2_000_000_000
"""A file whose time is this close to its backup may have changed again within the same tick of its clock."""
_ASKED_EVERY_S = 1.0
_VERIFIED = ".verified-"
_STAMP = "%Y%m%dT%H%M%S%f"


class BackedUp(msgspec.Struct, frozen=True):
    """What a backup did. bytes: of the whole home; stored: bytes that went up, of `parts` parts. signer: public key
    (hex) that signed it, to be kept elsewhere and given to `restore`."""

    snapshot: str
    epoch: int
    at: float
    files: int
    bytes: int
    parts: int
    stored: int
    seconds: float
    pruned: int = 0
    signer: str = ""


def backup(
    root: Path,
    state: State,
    key: SigningKey,
    store: Store,
    lock: KeyLock | None,
    *,
    keep: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> BackedUp:
    """Back up the home at `root` while everything goes on.

    lock: how its keys are encrypted; None leaves them out. keep: newest snapshots to keep, 0 for all.
    Raises Refused if another home took this store over, UsageError for a folder in the home, StoreFailed; the backup
    before stays whole then.
    """
    _require_outside(root, store)
    mutex = FileLock(root / "run" / "backup.lock")
    if not mutex.take():
        raise UsageError("another backup of this home is at work: wait for it.")
    try:
        began, at = time.monotonic(), time.time()
        epoch = epoch_to_write(root, store, at)
        head = _head(store)
        before = _before(store, head, key)
        id = f"{_stamp(at, head)}-{secrets.token_hex(4)}"
        keep_last(root, store, head, id)
        with held_still(root, state) as still:
            upload = _Upload(store, before)
            say(f"{len(still.files):,} files")
            with ThreadPoolExecutor(THREADS) as pool:
                jobs = [pool.submit(upload.file, path, *held) for path, held in sorted(still.files.items())]
                try:
                    files = tuple(kept for job in jobs if (kept := job.result()) is not None)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        keys = _keys(root, store, lock, id)
        snapshot = Snapshot(id, at, epoch, own(root).owner, version("fairlead"), files, keys, key.public)
        newest = write_snapshot(store, snapshot, key)
        require_epoch(store, epoch)
        store.put(head_name(epoch), msgspec.json.encode(newest))
        pruned = _prune(store, epoch, keep, key) if keep else 0
        seconds = time.monotonic() - began
        return BackedUp(
            id, epoch, at, len(files), snapshot.bytes, upload.parts, upload.bytes, round(seconds, 3), pruned, key.public
        )
    finally:
        mutex.release()


def verify_backup(store: Store, lock: KeyLock, beside: Path) -> Restored:
    """Bring the newest snapshot back into an empty home beside `beside`, with every check of `restore`, and let go of
    it. One at a time: what a killed one left has keys in it, and goes first. Raises what `restore` raises."""
    with FileLock(beside / "verify.lock"):
        for left in beside.glob(f"{_VERIFIED}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_VERIFIED, dir=beside))
        try:
            return restore(store, folder / "home", lock)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def let_go(root: Path) -> int:
    """Remove what a backup or a verification that was killed left in the home at `root`: rows as they were then, and
    opened keys. What one that lives holds stays, and goes with it. How many such folders went."""
    gone = 0
    for lock, pattern in (("backup.lock", HELD), ("verify.lock", f"{_VERIFIED}*")):
        mutex = FileLock(root / "run" / lock)
        if not any((root / "run").glob(pattern)) or not mutex.take():
            continue
        try:
            for left in (root / "run").glob(pattern):
                shutil.rmtree(left, ignore_errors=True)
                gone += 1
        finally:
            mutex.release()
    return gone


def _require_outside(root: Path, store: Store) -> None:
    """A store in the home would hold itself, twice as much each time. Raises UsageError."""
    folder = getattr(store, "root", None)
    if isinstance(folder, Path) and folder.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{store.address} lies in the home that is to be backed up: give a place outside of the home.")


class _Upload:
    """Parts on their way; those of the snapshot before are there already."""

    def __init__(self, store: Store, before: Snapshot | None) -> None:
        self.parts = self.bytes = 0
        self._store, self._settled_ns = store, int((before.at if before else 0.0) * 1e9) - _RACY_NS
        self._files = {one.path: one for one in before.files} if before else {}
        self._known = {part for one in self._files.values() for part in one.parts}

    def file(self, path: str, held: Path, about: os.stat_result) -> Kept | None:
        """One file, at its size when it was held; None if it is gone."""
        # Older than when the one before began: what is of its very tick may have changed after it was read.
        old = about.st_mtime_ns < self._settled_ns
        mark = f"{about.st_ino:x}-{about.st_mtime_ns:x}"
        before = self._files.get(path)
        if old and before is not None and (before.bytes, before.mark) == (about.st_size, mark):
            return before
        parts, size = [], about.st_size
        try:
            opened = held.open("rb")
        except FileNotFoundError:
            return None  # removed since; what needs it was copied before
        with opened as file:
            about = os.fstat(file.fileno())
            mark = f"{about.st_ino:x}-{about.st_mtime_ns:x}"
            left = size = min(about.st_size, size) if path.startswith(MOVED) else about.st_size
            while left:
                part = file.read(min(PART_BYTES, left))
                if not part:
                    raise StateError(f"{path} became shorter while it was read")
                left -= len(part)
                parts.append(self._part(part))
        return Kept(path, size, about.st_mode & 0o777, mark, tuple(parts))

    def _part(self, part: bytes) -> str:
        digest = hashlib.sha256(part).hexdigest()
        if digest not in self._known:
            self._store.put(object_name(digest), part, sha256=digest)
            self._known.add(digest)
            self.parts += 1
            self.bytes += len(part)
        return digest


def _head(store: Store) -> Head | None:
    try:
        return newest_head(store)
    except UsageError:
        return None


def _stamp(at: float, head: Head | None) -> str:
    """To the microsecond: names sort by when they were taken, and the oldest go by that order. Where the clock was set
    back, the next microsecond after the newest there is."""
    stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(at))}{int(at % 1 * 1e6):06d}"
    if head is None or head.snapshot < stamp:
        return stamp
    try:
        last = datetime.strptime(head.snapshot[: len(stamp)], _STAMP)
    except ValueError:
        return stamp
    return (last + timedelta(microseconds=1)).strftime(_STAMP)


def _before(store: Store, head: Head | None, key: SigningKey) -> Snapshot | None:
    """The newest snapshot of this home in this store, to which the next one adds; None before any."""
    try:
        return None if head is None else read_snapshot(store, head, (key.public,))
    except ObjectNotFound:
        # The one that this home was brought back from may be gone by now: then all goes up.
        return None


def _keys(root: Path, store: Store, lock: KeyLock | None, id: str) -> str:
    """The files of `keys/`, encrypted; the hash of the object that holds them."""
    if lock is None:
        return ""
    files = {
        path.name: (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted((root / "keys").iterdir())
        if path.is_file() and not path.name.startswith(".")
    }
    locked = lock.lock(msgspec.msgpack.encode(files), id)
    digest = hashlib.sha256(locked).hexdigest()
    store.put(object_name(digest), locked, sha256=digest)
    return digest


def _prune(store: Store, epoch: int, keep: int, key: SigningKey) -> int:
    """Remove all but the newest `keep` snapshots of this epoch, all of earlier epochs, and the parts that none of
    those left needs. Killed in between, parts stay that the next one removes. How many objects went.

    Raises Refused as soon as another home took over, whose objects these may be: no second passes unasked.
    """
    own = f"snapshots/{epoch:06d}/"
    mine = [one.name for one in walk(store, own)]
    kept, gone = mine[-keep:], mine[:-keep]
    gone += [one.name for one in walk(store, "snapshots/") if one.name < own]
    needed: set[str] = set()
    for name in kept:
        raw = store.stat(name)
        digest = raw.sha256 if raw is not None and raw.sha256 else hashlib.sha256(store.read(name)).hexdigest()
        head = Head(name.rsplit("/", 1)[1].removesuffix(".json"), epoch, digest, 0.0)
        snapshot = read_snapshot(store, head, (key.public,))
        needed |= {object_name(part) for one in snapshot.files for part in one.parts}
        needed |= {object_name(snapshot.keys)} if snapshot.keys else set()
    gone += [one.name for one in walk(store, "objects/") if one.name not in needed]
    asked = -_ASKED_EVERY_S
    for name in gone:
        if time.monotonic() - asked >= _ASKED_EVERY_S:
            require_epoch(store, epoch)
            asked = time.monotonic()
        store.delete(name)
    return len(gone)
