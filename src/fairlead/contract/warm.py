"""How a model that goes on from another one compares with one that was trained anew."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.evidence import Interval


class WarmStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """bundle, name: what was gone on from, and how people call it. parameters: of what was added to it.

    rows: judged out of fold by both; fair: why these are rows that the older model had not learned from. metric: what
    chose, smaller is better; warm, anew: its means over the same folds. gain: by how much the mean loss (0 to 1) is
    below that of training anew. chosen: whether the sealed model is the one that went on. says: all that in words.
    """

    bundle: str
    name: str
    learner: str
    chosen: bool
    says: str
    parameters: dict[str, Any] = {}
    rows: int = 0
    fair: str = ""
    metric: str = ""
    warm: float | None = None
    anew: float | None = None
    gain: Interval | None = None
