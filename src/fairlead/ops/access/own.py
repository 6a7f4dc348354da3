"""The key that a home keeps for itself, so that its own program may ask its own server."""

from __future__ import annotations

from pathlib import Path

from fairlead.ops.access.keyring import Keyring
from fairlead.runtime.serve.access import hash_of, well_formed
from fairlead.runtime.serve.routes import write_atomic

NAME = "this home"
FILE = "own.key"


def stored_secret(keys: Path) -> str | None:
    """The secret in the home's key folder, if there is one."""
    try:
        secret = (keys / FILE).read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return secret if well_formed(secret) else None


def own_secret(keyring: Keyring, keys: Path) -> tuple[str, bool]:
    """(secret, whether it is new and must be published); made when there is none that holds, mode 0600."""
    secret = stored_secret(keys)
    live = {key.hash for key in keyring.published()}
    if secret is not None and hash_of(secret) in live:
        return secret, False
    if any(key.name == NAME for key in keyring.published()):
        # Its file was lost or replaced; what nobody can send any more need not hold.
        keyring.revoke(NAME, "its file is gone")
    issued = keyring.create(NAME, verbs=("predict", "feedback", "metrics"), days=0.0)
    write_atomic(keys / FILE, issued.secret.encode() + b"\n")
    return issued.secret, True
