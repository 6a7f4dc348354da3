"""Frames of the spool, encrypted: AES-256-GCM, one message a write.

Each segment has a key of its own, derived from the home's key and 16 random bytes at its beginning, and a counter
as nonce that never goes back, not even for a write that failed; a segment is written by one process, so no nonce is
used twice. What is authenticated beside the frames is whose segment it is and where in it they stand: frames that
are moved, repeated, or follow a cut do not open. Source: NIST SP 800-38D; HKDF of RFC 5869.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fairlead.contract.errors import FormatUnknown
from fairlead.runtime.capture.keys import Key, find
from fairlead.runtime.wire import frames

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALGORITHM = "AES-256-GCM/HKDF-SHA256"
_FILE = b"fairlead locked 1 "
_SALT = 16


class Locker:
    """Encrypts the writes of one new segment."""

    def __init__(self, key: Key, path: Path) -> None:
        salt = os.urandom(16)
        self.head = frames.encode(frames.Lock(ALGORITHM, key.id, salt))
        self._encrypt = _cipher(key, salt).encrypt
        self._name = _name(path)
        self._count = 0

    def lock(self, data: bytes, offset: int) -> bytes:
        """Whole frames, to be written at `offset`, as one frame; with the segment's head where it begins."""
        head = b"" if offset else self.head
        offset += len(head)
        self._count += 1
        sealed = self._encrypt(_nonce(self._count), data, self._name + offset.to_bytes(8, "little"))
        return head + frames.encode(frames.Locked(self._count, sealed))


class Item(NamedTuple):
    """A frame of a segment. offset: of its records. end: where its write ends, -1 while more of the write follows."""

    offset: int
    end: int
    frame: frames.Frame


def scan(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Item]:
    """Complete frames of a segment, encrypted or not, from `start`, at most to `stop`; both where writes end.

    Ends at the first torn or damaged frame. Raises ConfigInvalid when the key cannot be had: never half-read.
    """
    head = next(frames.scan(path), None)
    if head is None:
        return
    if not isinstance(head[2], frames.Lock):
        for offset, end, frame in frames.scan(path, start, stop):
            yield Item(offset, end, frame)
        return
    if start < head[1]:
        yield Item(*head)
    lock = head[2]
    if lock.algorithm != ALGORITHM:
        raise FormatUnknown(f"spool segment encrypted by {lock.algorithm}; this version knows {ALGORITHM}")
    cipher, name = _cipher(find(path.parents[3], lock.key), lock.salt), _name(path)
    from cryptography.exceptions import InvalidTag

    for offset, end, frame in frames.scan(path, max(start, head[1]), stop):
        if not isinstance(frame, frames.Locked):
            return
        try:
            plain = cipher.decrypt(_nonce(frame.count), frame.data, name + offset.to_bytes(8, "little"))
        except InvalidTag:
            return
        yield from _inner(plain, offset, end)


def opens(path: Path) -> None:
    """Raises ConfigInvalid when a segment is encrypted and its key cannot be had."""
    head = next(frames.scan(path), None)
    if head is not None and isinstance(head[2], frames.Lock):
        find(path.parents[3], head[2].key)


def lock_file(data: bytes, key: Key, name: str) -> bytes:
    """The content of a file that is written whole, encrypted by a key of its own. name: what it is, authenticated."""
    salt = os.urandom(_SALT)
    head = _FILE + key.id.encode() + b"\n" + salt
    return head + _cipher(key, salt).encrypt(_nonce(1), data, name.encode())


def unlock_file(data: bytes, home: Path, name: str) -> bytes:
    """What was given to `lock_file`, or `data` as it is where it is not encrypted.

    Raises ConfigInvalid when the key cannot be had, FormatUnknown for bytes that the key does not open."""
    head, _, rest = data.partition(b"\n")
    if not head.startswith(_FILE):
        return data
    from cryptography.exceptions import InvalidTag

    key = find(home, head.removeprefix(_FILE).decode(errors="replace"))
    try:
        return _cipher(key, rest[:_SALT]).decrypt(_nonce(1), rest[_SALT:], name.encode())
    except InvalidTag:
        raise FormatUnknown(f"{name} is damaged: key {key.id} does not open it") from None


def _inner(plain: bytes, offset: int, end: int) -> Iterator[Item]:
    """What one message holds. Its ciphertext is longer, so offsets of frames within stay below where it ends."""
    at = 0
    while (got := frames.decode(plain, at)) is not None:
        frame, after = got
        yield Item(offset + at, end if after == len(plain) else -1, frame)
        at = after


def _cipher(key: Key, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt, b"fairlead spool segment").derive(key.secret))


def _nonce(count: int) -> bytes:
    return count.to_bytes(12, "big")


def _name(path: Path) -> bytes:
    """Whose segment: instance, worker and sequence."""
    return "/".join(path.parts[-3:]).encode()
