"""Judging a sealed bundle: metrics with their doubt, comparisons on the same rows, the gate, the report people read.

Names are looked up when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.evaluate.evidence import Comparison as Comparison
    from fairlead.lab.evaluate.evidence import Report as Report
    from fairlead.lab.evaluate.judging import evaluate as evaluate
    from fairlead.lab.evaluate.page import write_report as write_report
    from fairlead.lab.evaluate.rules import gate as gate

_WHERE: dict[str, str] = {
    "Comparison": "evidence",
    "Report": "evidence",
    "evaluate": "judging",
    "gate": "rules",
    "write_report": "page",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
