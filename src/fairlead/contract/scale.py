"""What became of a table that was larger than memory: how many rows taught, and what the others would have."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.evidence import Interval
from fairlead.contract.learning import LearningPoint

Way = Literal["every row", "the sample"]


class Scale(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training out of core.

    rows: with a truth; needed_mb: what all of them would take in memory; memory_mb: what there was for them.
    sample: rows that were drawn, kept ones among them: the search, calibration and threshold are from these.
    learned: rows that the sealed model was fitted on; way: whether these are all but the kept ones, and how.
    prepared: what the preparation's means, quantiles and categories are from. why: the sample's reason, if it was that.
    judged: all kept rows, in passes; loss: their mean loss (0 to 1), metrics: further sums over them.
    gain: by how much the mean loss is lower for all rows instead of the sample: measured on the judged rows where all
    were learned from, else to be expected by the points, mean losses of growing parts of the sample; None: not known.
    """

    rows: int
    needed_mb: int
    memory_mb: int
    sample: int
    learned: int
    way: Way
    how: str
    says: str
    judged: int
    loss: Interval
    metrics: dict[str, float] = {}
    prepared: str = "the sample"
    why: str = ""
    gain: Interval | None = None
    points: tuple[LearningPoint, ...] = ()
    seconds: float = 0.0
