"""Explanations of compiled models: what each column of a row did to its answer.

Needs the base install alone. Attributions are interventional Shapley values of the margin before calibration, one a
source column, against the bundle's background rows.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.explain.explaining import Explainable, Explanation, load
    from fairlead.runtime.explain.subject import Terms

_HOME = {"Explainable": "explaining", "Explanation": "explaining", "Terms": "subject", "load": "explaining"}
__all__ = ["Explainable", "Explanation", "Terms", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
