"""Watching, pure: windows, quality, drift, scores and performance judged against the reference in the bundle."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.monitor.drift import check_drift as check_drift
    from fairlead.ops.monitor.identity import Carried as Carried
    from fairlead.ops.monitor.identity import carry as carry
    from fairlead.ops.monitor.identity import finding_id as finding_id
    from fairlead.ops.monitor.looking import Looked as Looked
    from fairlead.ops.monitor.looking import look as look
    from fairlead.ops.monitor.performance import check_performance as check_performance
    from fairlead.ops.monitor.promise import Promise as Promise
    from fairlead.ops.monitor.promise import Step as Step
    from fairlead.ops.monitor.promise import finding_of as finding_of
    from fairlead.ops.monitor.promise import reset as reset
    from fairlead.ops.monitor.promise import start as start
    from fairlead.ops.monitor.promise import step as step
    from fairlead.ops.monitor.quality import Traffic as Traffic
    from fairlead.ops.monitor.quality import check_quality as check_quality
    from fairlead.ops.monitor.seen import AREAS as AREAS
    from fairlead.ops.monitor.seen import Rows as Rows
    from fairlead.ops.monitor.seen import Seen as Seen
    from fairlead.ops.monitor.thresholds import Thresholds as Thresholds
    from fairlead.ops.monitor.thresholds import calibrate as calibrate
    from fairlead.ops.monitor.windows import Watermark as Watermark
    from fairlead.ops.monitor.windows import WindowSpec as WindowSpec
    from fairlead.ops.monitor.windows import duration as duration
    from fairlead.ops.monitor.windows import run_length as run_length
    from fairlead.ops.monitor.windows import window_numbers as window_numbers
    from fairlead.ops.monitor.windows import window_spec as window_spec

_WHERE: dict[str, str] = {
    "AREAS": "seen",
    "Rows": "seen",
    "Seen": "seen",
    "Looked": "looking",
    "look": "looking",
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
