"""What was answered, kept: the spool (serving path), the collector and the reader (pyarrow, imported there alone)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.capture.accounts import Reconciliation, WorkerAccount, reconcile
    from fairlead.runtime.capture.collector import Collected, collect
    from fairlead.runtime.capture.forgetting import Forgotten, forget
    from fairlead.runtime.capture.reader import Records
    from fairlead.runtime.capture.redaction import redact
    from fairlead.runtime.capture.remembered import tables_kept
    from fairlead.runtime.capture.retention import Expired, expire
    from fairlead.runtime.capture.spool import Spool, Tally

_HOME = {
    "Collected": "collector",
    "Expired": "retention",
    "Forgotten": "forgetting",
    "Reconciliation": "accounts",
    "Records": "reader",
    "Spool": "spool",
    "Tally": "spool",
    "WorkerAccount": "accounts",
    "collect": "collector",
    "expire": "retention",
    "forget": "forgetting",
    "reconcile": "accounts",
    "redact": "redaction",
    "tables_kept": "remembered",
}
__all__ = [
    "Collected",
    "Expired",
    "Forgotten",
    "Reconciliation",
    "Records",
    "Spool",
    "Tally",
    "WorkerAccount",
    "collect",
    "expire",
    "forget",
    "reconcile",
    "redact",
    "tables_kept",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
