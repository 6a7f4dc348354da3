"""Comparing a challenger with the champion: pure, valid however often one looks."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE: dict[str, str] = {
    "RolloutVerdict": "verdict",
    "judge": "verdict",
    "judge_two": "verdict",
    "in_random_order": "verdict",
    "undecided": "ending",
    "ratio_mismatch": "ending",
    "RatioCheck": "ending",
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
