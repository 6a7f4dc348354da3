"""Watching, pure: windows, quality, drift, scores and performance judged against the reference in the bundle."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE: dict[str, str] = {
    "WindowSpec": "windows",
    "Watermark": "windows",
    "duration": "windows",
    "window_spec": "windows",
    "window_numbers": "windows",
    "run_length": "windows",
    "Carried": "identity",
    "carry": "identity",
    "finding_id": "identity",
    "Promise": "promise",
    "Step": "promise",
    "start": "promise",
    "step": "promise",
    "reset": "promise",
    "finding_of": "promise",
    "Thresholds": "thresholds",
    "calibrate": "thresholds",
    "check_drift": "drift",
    "check_quality": "quality",
    "Traffic": "quality",
    "check_performance": "performance",
    "check_window": "checks",
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
