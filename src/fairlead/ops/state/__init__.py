"""What is intended and what was seen: one SQLite database through SQLAlchemy, migrated by Alembic.

The bundle store says what exists, this database says what is intended, `routes.json` is published from it.
SQLAlchemy is imported with `State`, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.ops.state.rows import (
    DecisionRow,
    DeliveryRow,
    FindingRow,
    Hold,
    Intent,
    KeyRow,
    MessageRow,
    Rollout,
    VersionRow,
)

if TYPE_CHECKING:
    from fairlead.ops.state.filelock import FileLock
    from fairlead.ops.state.state import State

__all__ = [
    "DecisionRow",
    "DeliveryRow",
    "FileLock",
    "FindingRow",
    "Hold",
    "Intent",
    "KeyRow",
    "MessageRow",
    "Rollout",
    "State",
    "VersionRow",
]


def __getattr__(name: str) -> Any:
    if name == "State":
        from fairlead.ops.state.state import State

        return State
    if name == "FileLock":
        from fairlead.ops.state.filelock import FileLock

        return FileLock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
