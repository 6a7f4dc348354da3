"""The quality of a table: what is wrong with it, and whether it stands for another one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.tables.quality.examining import examine as examine
    from fairlead.lab.tables.quality.report import Issue as Issue
    from fairlead.lab.tables.quality.report import QualityReport as QualityReport
    from fairlead.lab.tables.quality.report import Suggestion as Suggestion

_WHERE: dict[str, str] = {
    "examine": "examining",
    "Issue": "report",
    "QualityReport": "report",
    "Suggestion": "report",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
