"""The learning curve: the chosen way of learning refitted on growing parts of its rows, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.learning import Learning, LearningPoint, Says
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.stats.blocks import Block
from fairlead.lab.stats.intervals import resamples
from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.pinball import errors_of
from fairlead.lab.train.fitting import fit, scores_of
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.material import Material

PARTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
FEWEST_ROWS, FEWEST_POINTS = 40, 4
REPEATS = 5
DRAWS = 300
EXPONENTS = np.linspace(0.1, 1.5, 15)
WORTH = 0.02
"""Share of the present loss that twice as many rows must take off to be called a help."""


def learning_curve(
    material: Material,
    fold: Fold,
    learner: str,
    parameters: Mapping[str, Any],
    *,
    seconds: float,
    seed: int,
    block: Block,
) -> Learning | None:
    """Mean losses on the fold's rows to judge after learning from growing parts of its others; None for other tasks.

    Small parts are drawn up to 5 times, and all of it ends with the budget. What twice as many rows would give is read
    off a power law a + b * rows ** -c fitted to the points, again for each of 300 resamples of the judged rows; where
    these disagree about whether it would help, the answer is that nobody can say.
    Source: Viering and Loog, The shape of learning curves: a review (2023).
    """
    if material.signature.task in UNSUPERVISED:
        return None
    started = time.perf_counter()
    sizes = sorted({round(len(fold.fit) * part) for part in PARTS if len(fold.fit) * part >= FEWEST_ROWS})
    if len(sizes) < 2:
        return None
    found, fits, cut_short = refits(material, fold, learner, parameters, sizes, started, seconds, seed)
    if len(found) < 2:
        return Learning((), "cannot say", "the time was too short for a learning curve", cut_short=True)
    rows = np.array(list(found), dtype=np.float64)
    table = np.stack(list(found.values()))
    drawn = np.concatenate(
        [w @ table.T / w.sum(axis=1)[:, None] for w in resamples(table.shape[1], DRAWS, seed, block)]
    )
    points = tuple(
        LearningPoint(int(n), interval_of(float(mean), column), fits[int(n)])
        for n, mean, column in zip(rows, table.mean(axis=1), drawn.T, strict=True)
    )
    took = time.perf_counter() - started
    says, why, doubled, gain = _read(rows, table.mean(axis=1), drawn)
    return Learning(points, says, why, doubled, gain, took, cut_short)


def refits(
    material: Material, fold: Fold, learner: str, parameters: Mapping[str, Any], sizes: list[int], started: float,
    seconds: float, seed: int,
) -> tuple[dict[int, Floats], dict[int, int], bool]:  # fmt: skip
    """Losses of the judged rows by size, each the mean over its fits."""
    random = np.random.default_rng([seed, 21])
    parts: dict[int, list[Floats]] = {}
    clip = 1.0
    # From the largest on: what it takes for granted (the clip of a regression's loss) is that of all rows.
    order = [sizes[-1], *sizes[:-1]]
    longest, cut_short = 0.0, False
    for size in order:
        for _ in range(REPEATS if size < sizes[-1] else 1):
            if parts and time.perf_counter() - started + longest * size / sizes[-1] > seconds:
                cut_short = True
                break
            began = time.perf_counter()
            errors = _answered(material, fold, _drawn(material, fold, size, random), learner, parameters, seed)
            if errors is None:
                continue
            if size == sizes[-1]:
                longest = time.perf_counter() - began
                if material.signature.task == "regression":
                    clip = loss_clip(errors_of(material.truth[fold.judge], errors[:, 0], material.signature))
            lost = losses(material.signature.task, material.truth[fold.judge], errors, material.signature, clip)
            parts.setdefault(size, []).append(lost)
    means = {size: np.mean(parts[size], axis=0) for size in sizes if size in parts}
    return means, {size: len(parts[size]) for size in means}, cut_short


def _drawn(material: Material, fold: Fold, size: int, random: np.random.Generator) -> Ints:
    """Rows to learn from; with time the newest ones, as a project with a shorter history would have."""
    if size >= len(fold.fit):
        return fold.fit
    if material.times is not None:
        return fold.fit[-size:]
    return np.sort(random.choice(fold.fit, size, replace=False))


def _answered(
    material: Material, fold: Fold, rows: Ints, learner: str, parameters: Mapping[str, Any], seed: int
) -> Floats | None:
    """Scores of the fold's rows to judge; None where these few rows hold a single class."""
    if material.signature.task == "classification" and len(set(material.truth[rows])) < 2:
        return None
    fitted = fit(material, learner, parameters, seed, rows)
    return scores_of(fitted, material.frame.iloc[fold.judge], material.signature)


def interval_of(value: float, drawn: Floats) -> Interval:
    """A value with the middle 95 % of what was drawn."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def _read(rows: Floats, means: Floats, drawn: Floats) -> tuple[Says, str, Interval | None, Interval | None]:
    if len(rows) < FEWEST_POINTS:
        return "cannot say", f"{len(rows)} points are too few to read a learning curve", None, None
    ahead = ahead_of(rows, np.vstack([means[None], drawn]))
    gains = np.concatenate([means[-1:], drawn[:, -1]]) - ahead
    doubled, gain = interval_of(float(ahead[0]), ahead[1:]), interval_of(float(gains[0]), gains[1:])
    worth = WORTH * means[-1]
    took = f"twice as many rows are expected to take {gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f})"
    took += f" off the mean loss of {means[-1]:.4f}"
    if gain.low > worth:
        return "more rows would help", f"more rows would help: {took}", doubled, gain
    if gain.high < worth:
        return "more rows would hardly help", f"more rows would hardly help: {took}", doubled, gain
    return "cannot say", f"whether more rows would help cannot be said: {took}", doubled, gain


def ahead_of(rows: Floats, losses_: Floats, times: float = 2.0) -> Floats:
    """What a power law, fitted to each line of `losses_` (draws, sizes), gives for so many times the most rows."""
    best = np.full(len(losses_), np.inf)
    found = losses_[:, -1].copy()
    # The size of a point's error falls with its rows: large parts say more about what comes after them.
    weight = np.sqrt(rows / rows.sum())
    for c in EXPONENTS:
        shape = (rows / rows[-1]) ** -c
        design = np.stack([np.ones_like(shape), shape], axis=1)
        answer, *_ = np.linalg.lstsq(design * weight[:, None], (losses_ * weight).T, rcond=None)
        # Losses that grow with rows, or fall below 0, are no learning curve: the level of all points then.
        flat = (losses_ * weight**2).sum(axis=1)
        a, b = answer
        wrong = b < 0
        a, b = np.where(wrong, flat, a), np.where(wrong, 0.0, b)
        left = ((losses_ - a[:, None] - b[:, None] * shape) ** 2 * weight**2).sum(axis=1)
        closer = left < best
        best = np.where(closer, left, best)
        found = np.where(closer, np.maximum(a + b * times**-c, 0.0), found)
    # Of a law without a fall the level of the largest part is what is expected of more.
    return np.minimum(found, losses_[:, -1])
