"""Models trained elsewhere: one module for each form that they come in, found by the port `source`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.compile.sources.opening import Hints, Opened, open_source

_HOME = {"Hints": "opening", "Opened": "opening", "open_source": "opening"}
__all__ = ["Hints", "Opened", "open_source"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
