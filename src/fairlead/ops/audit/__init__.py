"""Who did what, when and why, in a chain of hashes with a signed head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.audit.audit import Audit
    from fairlead.ops.audit.chain import AuditReport
    from fairlead.ops.audit.head import Head, HeadFile, Signer

__all__ = ["Audit", "AuditReport", "Head", "HeadFile", "Signer"]

_HOME = {"Audit": "audit", "AuditReport": "chain", "Head": "head", "HeadFile": "head", "Signer": "head"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
