"""Comparing a challenger with the champion: pure, valid however often one looks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.rollout.ending import RatioCheck as RatioCheck
    from fairlead.ops.rollout.ending import ratio_mismatch as ratio_mismatch
    from fairlead.ops.rollout.ending import undecided as undecided
    from fairlead.ops.rollout.verdict import RolloutVerdict as RolloutVerdict
    from fairlead.ops.rollout.verdict import in_random_order as in_random_order
    from fairlead.ops.rollout.verdict import judge as judge
    from fairlead.ops.rollout.verdict import judge_two as judge_two

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
