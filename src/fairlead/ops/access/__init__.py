"""API keys: made, listed, rotated and revoked by people; what the data plane is told of them; what it refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.access.keyring import Issued, Keyring
    from fairlead.ops.access.own import own_secret, stored_secret
    from fairlead.ops.access.refusals import audit_refusals

__all__ = ["Issued", "Keyring", "audit_refusals", "own_secret", "stored_secret"]

_HOME = {
    "Issued": "keyring",
    "Keyring": "keyring",
    "audit_refusals": "refusals",
    "own_secret": "own",
    "stored_secret": "own",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
