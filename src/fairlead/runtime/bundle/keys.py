"""Ed25519 keys: the one that seals, and the check of what others sealed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fairlead.contract.errors import UsageError

_PUBLIC = re.compile(r"[0-9a-f]{64}")
_SIGNED = re.compile(rb"ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})\n")


class SigningKey:
    """A private Ed25519 key in a file of its own, mode 0600, as 64 hex characters."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @classmethod
    def create(cls, path: str | Path) -> SigningKey:
        """A new key, written to `path`. Raises UsageError if there is a file already: keys are never overwritten."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = os.urandom(32)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(seed.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            # Link, not rename: it fails where a key exists, and shows the file only when it is whole.
            os.link(temporary, path)
        except FileExistsError:
            raise UsageError("there is a signing key already; remove it by hand if it is to be replaced.") from None
        finally:
            temporary.unlink()
        return cls(seed)

    @classmethod
    def load(cls, path: str | Path) -> SigningKey:
        """The key in `path`. Raises UsageError if it is absent, not a key, or readable by others."""
        try:
            with open(path) as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(128).strip()
        except OSError as why:
            raise UsageError(f"the signing key cannot be read: {why.strerror}.") from why
        if mode & 0o077:
            raise UsageError(
                f"the signing key {Path(path).name} has mode {mode:04o}; others may read it. Set it to 0600."
            )
        if not _PUBLIC.fullmatch(text):
            raise UsageError("the signing key is not 64 hex characters.")
        return cls(bytes.fromhex(text))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self._key.sign(message)


def signed_line(key: SigningKey, message: bytes) -> bytes:
    """What is written beside a signed file: `ed25519 <public key> <signature>`, hex, one line."""
    return f"ed25519 {key.public} {key.sign(message).hex()}\n".encode()


def check_line(line: bytes, message: bytes, trusted: Iterable[str] | None) -> tuple[str, str | None]:
    """Who signed and why that does not hold: (signer or "", None or the reason). trusted: None for any key."""
    match = _SIGNED.fullmatch(line)
    if match is None:
        return "", "the seal is malformed"
    signer = match[1].decode()
    if not holds(signer, bytes.fromhex(match[2].decode()), message):
        return signer, "the seal does not match the manifest"
    if trusted is not None and signer not in {key.lower() for key in trusted}:
        return signer, f"sealed by the key {signer[:16]}…, which is not trusted here"
    return signer, None


def holds(public: str, signature: bytes, message: bytes) -> bool:
    """Whether `signature` of `message` was made by the key whose public half is `public` (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
