"""How a rollout stands, as it is published for whoever waits for it: Argo Rollouts, CI, a person with curl."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.contract.evidence import Outcome

FILE = "analysis-{model}.json"
"""In the folder run/ of a home; a name of a model is safe in a file's name."""


class Analysis(msgspec.Struct, frozen=True, omit_defaults=False):
    """verdict: of the challenger (of several: of the best that is left). n: rows it rests on.

    state: running, ended (the verdict is the last one), or none where nothing was ever tried. version: of the
    challenger. size, low, high: harm, challenger - champion, with its 95 % confidence sequence. needed: further rows
    until a verdict is to be expected, -1 unknown. guardrails: name -> holds, fails, undecided. at: seconds since the
    epoch when somebody last looked. others: of further challengers, version -> verdict.
    """

    model: str
    verdict: Outcome
    n: int
    state: Literal["none", "running", "ended"]
    why: str
    at: float
    version: int = 0
    bundle: str = ""
    mode: str = ""
    share: float = 0.0
    size: float = 0.0
    low: float = -1.0
    high: float = 1.0
    needed: int = -1
    guardrails: dict[str, str] = {}
    others: dict[str, str] = {}
    details: dict[str, Any] = {}


def nothing_tried(model: str, at: float) -> Analysis:
    """Of a model that has had no rollout."""
    return Analysis(model, "inconclusive", 0, "none", "no rollout is in progress, and none has ended yet", at)
