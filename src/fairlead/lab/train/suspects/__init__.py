"""Rows that a model should perhaps not learn from: wrong labels, contradictions, blocks that do harm."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.train.suspects.excluding import without_rows as without_rows
    from fairlead.lab.train.suspects.files import write_suspects as write_suspects
    from fairlead.lab.train.suspects.finding import Suspects as Suspects
    from fairlead.lab.train.suspects.finding import find_suspects as find_suspects

_WHERE: dict[str, str] = {
    "Suspects": "finding",
    "find_suspects": "finding",
    "without_rows": "excluding",
    "write_suspects": "files",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
