"""The keys of a home on their way into a backup: never in the clear.

By a passphrase (scrypt, RFC 7914: N = 2^15, r = 8, p = 1, some 32 MiB and a tenth of a second a guess) or for a public
key (X25519 with HKDF-SHA256, RFC 7748 and 5869, as in HPKE's base mode), then AES-256-GCM. What is authenticated
beside them is the snapshot that they belong to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fairlead.contract.errors import FormatUnknown, Refused, UsageError
from fairlead.ops.alerts.secrets import resolved

FORMAT = 1
_COST = 1 << 15
_SHORTEST = 12
_MOST = 1 << 20


class Locked(msgspec.Struct, frozen=True):
    """form: passphrase or x25519. salt: of scrypt, or the sender's public key."""

    form: str
    salt: bytes
    nonce: bytes
    sealed: bytes
    format: int = FORMAT


class KeyLock:
    """How keys are locked and opened: by a passphrase, for a public key, or with a private one."""

    def __init__(
        self,
        passphrase: str = "",
        recipient: X25519PublicKey | None = None,
        identity: X25519PrivateKey | None = None,
    ) -> None:
        self._passphrase, self._recipient, self._identity = passphrase, recipient, identity

    @property
    def opens(self) -> bool:
        """Whether it can open what it locked."""
        return bool(self._passphrase or self._identity)

    def lock(self, plain: bytes, about: str) -> bytes:
        """Encrypted, for the snapshot of that id."""
        nonce = os.urandom(12)
        if self._recipient is not None:
            sender = X25519PrivateKey.generate()
            salt = _raw(sender.public_key())
            key = _derived(sender.exchange(self._recipient), salt + _raw(self._recipient))
            form = "x25519"
        else:
            salt, form = os.urandom(16), "passphrase"
            key = self._of_passphrase(salt)
        sealed = AESGCM(key).encrypt(nonce, plain, about.encode())
        return msgspec.msgpack.encode(Locked(form, salt, nonce, sealed))

    def open(self, locked: bytes, about: str) -> bytes:
        """The keys. Raises Refused for a wrong passphrase or key."""
        try:
            found = msgspec.msgpack.decode(locked, type=Locked)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise FormatUnknown("the keys in the backup are in a form that this Fairlead does not know") from None
        if found.format != FORMAT:
            raise FormatUnknown(f"the keys in the backup have format {found.format}: use a newer Fairlead")
        try:
            return AESGCM(self._key(found)).decrypt(found.nonce, found.sealed, about.encode())
        except (InvalidTag, ValueError):
            # Of another length than keys and nonces have is damaged, too.
            raise Refused("the keys in the backup do not open: another passphrase or key locked them") from None

    def _key(self, found: Locked) -> bytes:
        if found.form == "x25519":
            if self._identity is None:
                raise UsageError("the keys in this backup are encrypted for a public key: give --identity FILE.")
            public = X25519PublicKey.from_public_bytes(found.salt)
            return _derived(self._identity.exchange(public), found.salt + _raw(self._identity.public_key()))
        if found.form == "passphrase":
            if not self._passphrase:
                raise UsageError("the keys in this backup are encrypted: give --passphrase env:NAME or file:PATH.")
            return self._of_passphrase(found.salt)
        raise FormatUnknown(f"the keys in the backup are encrypted by {found.form[:40]!r}: use a newer Fairlead")

    def _of_passphrase(self, salt: bytes) -> bytes:
        if not self._passphrase:
            raise UsageError("there is no passphrase to lock the keys with.")
        return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(self._passphrase.encode())


def lock_of(passphrase: str = "", recipient: Path | None = None, identity: Path | None = None) -> KeyLock:
    """What the options say. passphrase: env:NAME or file:PATH, never itself; recipient, identity: PEM files, as
    `openssl genpkey -algorithm X25519` makes them. Raises UsageError.
    """
    if passphrase and not passphrase.startswith(("env:", "file:")):
        raise UsageError("--passphrase takes a reference, env:NAME or file:PATH, not the passphrase itself.")
    if passphrase and (recipient or identity):
        raise UsageError("give either a passphrase or a key.")
    if passphrase:
        secret = resolved(passphrase, "passphrase")
        if len(secret) < _SHORTEST:
            raise UsageError(
                f"the passphrase has fewer than {_SHORTEST} characters: who has the backup could guess it."
            )
        return KeyLock(secret)
    opened = _pem(identity, serialization.load_pem_private_key, X25519PrivateKey, "identity", password=None)
    public = _pem(recipient, serialization.load_pem_public_key, X25519PublicKey, "recipient")
    return KeyLock("", public, opened)


def _pem(path: Path | None, load: Any, kind: type, name: str, **more: Any) -> Any:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = load(file.read(_MOST), **more)
    except OSError as error:
        raise UsageError(f"--{name}: {path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, kind):
        raise UsageError(
            f"--{name}: {path.name} is no X25519 key in PEM: `openssl genpkey -algorithm X25519` makes one."
        )
    return found


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _derived(shared: bytes, both: bytes) -> bytes:
    return HKDF(SHA256(), 32, both, b"fairlead backup keys 1").derive(shared)
