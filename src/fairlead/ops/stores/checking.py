"""Bytes on their way into and out of stores, hashed as they pass."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from fairlead.contract.errors import ObjectDamaged, ObjectTooLarge, UsageError
from fairlead.contract.stores import Stored

BLOCK = 1 << 20


class Bytes:
    """What is to be stored: a file's bytes, or bytes. size: how many."""

    def __init__(self, what: Path | bytes) -> None:
        self._what = what
        try:
            self.size = len(what) if isinstance(what, bytes) else what.stat().st_size
        except OSError as error:
            name = what.name if isinstance(what, Path) else ""
            raise UsageError(f"{name} cannot be stored: {error.strerror or type(error).__name__}") from None

    def blocks(self, start: int = 0, count: int | None = None) -> Iterator[bytes]:
        """`count` bytes from `start` on, in blocks of a megabyte."""
        if isinstance(self._what, bytes):
            end = self.size if count is None else start + count
            yield from (self._what[at : min(end, at + BLOCK)] for at in range(start, min(end, self.size), BLOCK))
            return
        with self._what.open("rb") as file:
            file.seek(start)
            yield from blocks_of(file, count)

    def part(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on, at once."""
        return b"".join(self.blocks(start, count))

    def sha256(self) -> str:
        """Hash of all of it, in hex."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def checked(self, expected: str, said: str) -> str:
        """The hash. Raises ObjectDamaged if it is another than `expected` (if that is given)."""
        found = self.sha256()
        if expected and found != expected:
            raise ObjectDamaged(f"{said}: what is to be stored has the hash {found[:12]}…, not {expected[:12]}…")
        return found

    def write_to(self, path: Path, expected: str, said: str) -> str:
        """Write it to a new file, durably, and return its hash, checked as by `checked`."""
        digest = hashlib.sha256()
        with path.open("xb") as file:
            for block in self.blocks():
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        found = digest.hexdigest()
        if expected and found != expected:
            raise ObjectDamaged(f"{said}: what is to be stored has the hash {found[:12]}…, not {expected[:12]}…")
        return found


def blocks_of(file: BinaryIO, count: int | None = None) -> Iterator[bytes]:
    """The bytes of an open file from where it stands, `count` at most, in blocks of a megabyte."""
    left = count
    while left is None or left > 0:
        block = file.read(BLOCK if left is None else min(BLOCK, left))
        if not block:
            return
        left = None if left is None else left - len(block)
        yield block


class Checked:
    """What is read, held to the hashes that it was stored with (several: any of them) and the one that is expected."""

    def __init__(self, said: str, stored: tuple[str, ...], expected: str = "") -> None:
        self._said, self._stored, self._expected = said, tuple(filter(None, stored)), expected

    def fetch(self, blocks: Iterable[bytes], to: Path, about: Stored) -> Stored:
        """Write blocks to a file that appears whole and durable; nothing appears if the hash does not hold."""
        to.parent.mkdir(parents=True, exist_ok=True)
        aside = to.with_name(f".{to.name}.{secrets.token_hex(6)}")
        digest, count = hashlib.sha256(), 0
        try:
            with aside.open("xb") as file:
                for block in blocks:
                    digest.update(block)
                    count += file.write(block)
                file.flush()
                os.fsync(file.fileno())
            self._hold(digest.hexdigest(), count, about.bytes)
            os.replace(aside, to)
        finally:
            aside.unlink(missing_ok=True)
        return Stored(about.name, count, about.etag, digest.hexdigest())

    def read(self, blocks: Iterable[bytes], size: int, limit: int) -> bytes:
        """The bytes at once. Raises ObjectTooLarge, before they are read where their number is known."""
        if size > limit:
            raise ObjectTooLarge(f"{self._said} has {size:,} bytes, at most {limit:,} are read at once: fetch it")
        whole = bytearray()
        for block in blocks:
            whole += block
            if len(whole) > limit:
                raise ObjectTooLarge(f"{self._said} has more than the {limit:,} bytes that are read at once: fetch it")
        self._hold(hashlib.sha256(whole).hexdigest(), len(whole), size)
        return bytes(whole)

    def _hold(self, found: str, count: int, size: int) -> None:
        if count != size:
            raise ObjectDamaged(f"{self._said}: {count:,} bytes came, {size:,} were announced")
        if self._stored and found not in self._stored:
            raise ObjectDamaged(f"{self._said}: its bytes have the hash {found[:12]}…, "
                                f"{self._stored[-1][:12]}… was stored")  # fmt: skip
        if self._expected and found != self._expected:
            raise ObjectDamaged(f"{self._said}: its bytes have the hash {found[:12]}…, not {self._expected[:12]}…")
