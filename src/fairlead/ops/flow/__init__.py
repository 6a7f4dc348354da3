"""The loop: making, releasing, watching, deciding, retraining. `decide` and `pick` are pure, the rest wires rooms."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.flow.decide import decide as decide
    from fairlead.ops.flow.loop import Loop as Loop
    from fairlead.ops.flow.picker import Choice as Choice
    from fairlead.ops.flow.picker import pick as pick
    from fairlead.ops.flow.policy import Triggers as Triggers
    from fairlead.ops.flow.policy import triggers_of as triggers_of
    from fairlead.ops.flow.situation import Candidate as Candidate
    from fairlead.ops.flow.situation import Live as Live
    from fairlead.ops.flow.situation import Situation as Situation
    from fairlead.ops.flow.situation import Trial as Trial
    from fairlead.ops.flow.workspace import RULE as RULE
    from fairlead.ops.flow.workspace import Workspace as Workspace

_WHERE: dict[str, str] = {
    "Candidate": "situation",
    "Choice": "picker",
    "Live": "situation",
    "Loop": "loop",
    "RULE": "workspace",
    "Situation": "situation",
    "Trial": "situation",
    "Triggers": "policy",
    "Workspace": "workspace",
    "decide": "decide",
    "pick": "picker",
    "triggers_of": "policy",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Not kept as a global: `decide` is a module, too, and importing it must not hide the function for good.
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return list(__all__)
