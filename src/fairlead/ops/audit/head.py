"""The signed head: how long the chain was, kept outside the database, so that cutting off its end is noticed.

Who can put back an older database *and* the older head that belonged to it is not caught by one machine alone;
copy the head elsewhere (it is one small file) to exclude that.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from fairlead.contract.errors import AuditBroken
from fairlead.ops.state.filelock import FileLock

_DOMAIN = b"fairlead audit head 1\n"


class Signer(Protocol):
    """What signs heads: the home's seal key (`runtime.bundle.SigningKey`)."""

    @property
    def public(self) -> str:
        """Hex Ed25519 public key."""

    def sign(self, message: bytes, /) -> bytes:
        """64 bytes."""


class Head(msgspec.Struct, frozen=True):
    """The newest line that was vouched for. count: its sequence, 0 for an empty chain."""

    count: int
    hash: str
    at: float


class _Signed(msgspec.Struct, frozen=True):
    head: Head
    public: str
    signature: str
    format: int = 1


class HeadFile:
    """Reads and advances the head at `path`; never moves it back, never over one that does not verify."""

    def __init__(self, path: Path, signer: Signer | None, trusted: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self._signer = signer
        self._trusted = frozenset([*trusted, *([signer.public] if signer else [])])

    @property
    def exists(self) -> bool:
        """Whether there is a head at all."""
        return self.path.exists()

    def read(self) -> Head | None:
        """The head, verified; None if there is none. Raises AuditBroken if it is not one of ours."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            signed = msgspec.json.decode(raw, type=_Signed)
            signature, public = bytes.fromhex(signed.signature), bytes.fromhex(signed.public)
            # One spelling alone, so that not a byte of the file can be other than we wrote it.
            if raw != msgspec.json.encode(signed) or signed.signature != signature.hex():
                raise ValueError
        except ValueError as error:
            raise AuditBroken("the head of the audit log cannot be read: it was changed") from error
        if signed.public not in self._trusted:
            raise AuditBroken("the head of the audit log is signed with a key that this home does not trust")
        if not _verifies(public, signature, _message(signed.head)):
            raise AuditBroken("the head of the audit log does not match its signature: it was changed")
        return signed.head

    def advance(self, head: Head) -> bool:
        """Write `head` if it is further than the one there; True if it was written. Without a signer: never."""
        if self._signer is None:
            return False
        with FileLock(self.path.with_name(self.path.name + ".lock")):
            known = self.read()
            if known is not None and known.count >= head.count:
                return False
            signature = self._signer.sign(_message(head)).hex()
            _write(self.path, msgspec.json.encode(_Signed(head, self._signer.public, signature)))
            return True


def _message(head: Head) -> bytes:
    # The domain keeps a signature over a head from ever passing for one over a bundle.
    return _DOMAIN + json.dumps([head.count, head.hash, head.at], separators=(",", ":")).encode()


def _verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _write(path: Path, body: bytes) -> None:
    fd, temporary = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
