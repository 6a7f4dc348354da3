"""Whether more rows would help: losses of a model refitted on growing parts of its rows."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.evidence import Interval

Says = Literal["more rows would help", "more rows would hardly help", "cannot say"]


class LearningPoint(msgspec.Struct, frozen=True):
    """rows learned from; loss: mean loss (0 to 1) on rows kept back; fits: how many refits it is the mean of."""

    rows: int
    loss: Interval
    fits: int


class Learning(msgspec.Struct, frozen=True, omit_defaults=True):
    """points: ascending in rows. doubled: the mean loss to be expected of twice as many rows; gain: by how much less
    that is than now. Both None where the points do not say. seconds: what it took; cut_short: the time ran out.
    """

    points: tuple[LearningPoint, ...]
    says: Says
    why: str
    doubled: Interval | None = None
    gain: Interval | None = None
    seconds: float = 0.0
    cut_short: bool = False
