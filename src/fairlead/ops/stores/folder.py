"""A folder as a store: files under their names, their hashes beside them.

A file is written aside, made durable and renamed. Its hash lies in `.fairlead-store/sums/`; between the two renames
the note names the hash of before and the new one, so that a kill in between leaves neither unreadable.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from fairlead.contract.errors import ObjectExists, ObjectNotFound, StoreFailed
from fairlead.contract.stores import LIST_LIMIT, READ_LIMIT, RESERVED, Facts, Stored, StoreTerms, check_name, fits
from fairlead.ops.stores.checking import Bytes, Checked, blocks_of

_OWN = f"{RESERVED}store"
_STALE_S = 24 * 3600.0


class FolderStore:
    """Port `store`, `file`: a folder of this machine, or one that it mounts."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        self.root, self.address = Path(place), shown
        self._aside = self.root / _OWN / "aside"
        self._sums = self.root / _OWN / "sums"

    def put(self, name: str, what: Path | bytes, *, sha256: str = "", if_absent: bool = False) -> Stored:
        check_name(name)
        with self._told(name):
            source = Bytes(what)
            self._aside.mkdir(parents=True, exist_ok=True)
            self._sweep()
            aside = self._aside / secrets.token_hex(8)
            try:
                digest = source.write_to(aside, sha256, self._said(name))
                with self._alone():
                    self._place(name, aside, digest, if_absent)
                    return self._of(name, os.stat(self.root / name), digest)
            finally:
                aside.unlink(missing_ok=True)

    def get(self, name: str, to: Path, *, sha256: str = "") -> Stored:
        with self._told(name), self._open(name) as (file, known):
            about = self._of(name, os.fstat(file.fileno()))
            return Checked(self._said(name), known, sha256).fetch(blocks_of(file), to, about)

    def read(self, name: str, *, limit: int = READ_LIMIT, sha256: str = "") -> bytes:
        with self._told(name), self._open(name) as (file, known):
            size = os.fstat(file.fileno()).st_size
            return Checked(self._said(name), known, sha256).read(blocks_of(file), size, limit)

    def stat(self, name: str) -> Stored | None:
        with self._told(name):
            try:
                with self._open(name) as (file, known):
                    return self._of(name, os.fstat(file.fileno()), known[0] if len(known) == 1 else "")
            except ObjectNotFound:
                return None

    def facts(self, name: str) -> Facts | None:
        with self._told(name):
            try:
                with self._open(name) as (file, _):
                    return Facts(os.fstat(file.fileno()).st_mtime)
            except ObjectNotFound:
                return None

    def list(self, prefix: str = "", *, after: str = "", limit: int = LIST_LIMIT) -> tuple[Stored, ...]:
        with self._told(prefix):
            found = []
            for name in self._names("", prefix, after):
                if fits(name) and (stored := self.stat(name)):
                    found.append(stored)
                if len(found) >= limit:
                    break
            return tuple(found)

    def delete(self, name: str) -> bool:
        with self._told(name):
            path = self.root / check_name(name)
            if not path.is_file():
                return False
            with self._alone():
                path.unlink(missing_ok=True)
                _sync(path.parent)
                self._note(name).unlink(missing_ok=True)
                _prune(path.parent, self.root)  # within the lock: a put makes its folder, then renames into it
            return True

    def exists(self, name: str) -> bool:
        with self._told(name):
            return (self.root / check_name(name)).is_file()

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, name: str, aside: Path, digest: str, if_absent: bool) -> None:
        path, note = self.root / name, self._note(name)
        if if_absent and path.is_file():
            raise ObjectExists(f"{self._said(name)} is there already")
        before = self._known(name) if path.is_file() else ()
        _write(note, msgspec.json.encode([*(known for known in before if known != digest), digest]))
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside, path)
        _sync(path.parent)
        if before:
            _write(note, msgspec.json.encode([digest]))

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[BinaryIO, tuple[str, ...]]]:
        """The file and its hashes as they are at one moment, between no other process' two renames."""
        path = self.root / check_name(name)
        # The lock is held while both are opened, not while bytes are read.
        with ExitStack() as held:
            with self._shared():
                if not path.is_file():
                    raise ObjectNotFound(f"there is no {self._said(name)}")
                file, known = held.enter_context(path.open("rb")), self._known(name)
            yield file, known

    def _known(self, name: str) -> tuple[str, ...]:
        try:
            return msgspec.json.decode(self._note(name).read_bytes(), type=tuple[str, ...])
        except FileNotFoundError:
            return ()
        except (msgspec.MsgspecError, UnicodeError):
            raise StoreFailed(f"{self._said(name)}: the note of its hash is damaged") from None

    def _note(self, name: str) -> Path:
        # By its hash: a name may be a folder of other names.
        return self._sums / hashlib.sha256(name.encode()).hexdigest()

    @staticmethod
    def _of(name: str, about: os.stat_result, digest: str = "") -> Stored:
        return Stored(name, about.st_size, f"{about.st_ino:x}-{about.st_mtime_ns:x}", digest)

    def _names(self, inner: str, prefix: str, after: str) -> Iterator[str]:
        """Names below a folder in the order of their bytes: "a-b" sorts before "a/b", which the order of folders alone
        would turn round."""
        try:
            entries = list(os.scandir(self.root / inner))
        except (FileNotFoundError, NotADirectoryError):
            return
        keyed = sorted(entry.name + "/" * entry.is_dir() for entry in entries if not entry.name.startswith(RESERVED))
        # What does not begin with "a/" sorts before all that does or after all of it: folder by folder is in order.
        for name in (inner + own for own in keyed):
            if not name.endswith("/"):
                if name.startswith(prefix) and name > after:
                    yield name
            elif (name.startswith(prefix) or prefix.startswith(name)) and name >= after[: len(name)]:
                yield from self._names(name, prefix, after)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._sums.mkdir(parents=True, exist_ok=True)
        with open(self.root / _OWN / "lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _shared(self) -> Iterator[None]:
        lock = self.root / _OWN / "lock"
        if not lock.is_file():  # Nothing was ever put here by us.
            yield
            return
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"{self._said(name)}: {error.strerror or type(error).__name__}") from None

    def _said(self, name: str) -> str:
        return f"{self.address.rstrip('/')}/{name}"

    def _sweep(self) -> None:
        for left in self._aside.iterdir():
            with suppress(FileNotFoundError):  # another put renamed its own meanwhile
                if time.time() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    _sync(path.parent)


def _prune(folder: Path, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
