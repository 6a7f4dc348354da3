"""What a sample costs: losses after learning from a quarter, a half and all of it, and what all rows would give."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.learning import LearningPoint
from fairlead.lab.stats.intervals import resamples
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.growing import DRAWS, ahead_of, interval_of, refits
from fairlead.lab.train.material import Material

PARTS = (1 / 4, 1 / 2, 1.0)


class Cost(NamedTuple):
    """points: by rows learned from, ascending; gain: the mean loss that all rows are expected to take off."""

    points: tuple[LearningPoint, ...]
    gain: Interval | None


def cost_of_sample(
    material: Material,
    fold: Fold,
    learner: str,
    parameters: Mapping[str, Any],
    *,
    rows: int,
    seconds: float,
    seed: int,
    block: int,
) -> Cost:
    """rows: that there would be to learn from; the sample's share of them is the fold's of the sample.

    A power law through three points, again for each of 300 resamples of the judged rows: its interval says how sure
    the points are, and nothing of how far such a law holds.
    """
    sizes = sorted({max(round(len(fold.fit) * part), 1) for part in PARTS})
    found, fits, _ = refits(material, fold, learner, parameters, sizes, time.perf_counter(), seconds, seed)
    if not found:
        return Cost((), None)
    sizes_, table = np.array(list(found), dtype=np.float64), np.stack(list(found.values()))
    weights = np.concatenate(list(resamples(table.shape[1], DRAWS, seed, block)))
    drawn = weights @ table.T / weights.sum(axis=1)[:, None]
    means = table.mean(axis=1)
    points = tuple(
        LearningPoint(int(n), interval_of(float(mean), column), fits[int(n)])
        for n, mean, column in zip(sizes_, means, drawn.T, strict=True)
    )
    if len(points) < len(PARTS):
        return Cost(points, None)
    ahead = ahead_of(sizes_, np.vstack([means[None], drawn]), rows / material.rows)
    gains = np.concatenate([means[-1:], drawn[:, -1]]) - ahead
    return Cost(points, interval_of(float(gains[0]), gains[1:]))
