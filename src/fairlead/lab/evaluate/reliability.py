"""Whether probabilities (and numbers) mean what they say: calibration error without its own bias, slope, intercept."""

from __future__ import annotations

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.blocks import Block, block_codes, every_row
from fairlead.lab.stats.measures import Floats, class_codes, positive_index

ROWS_A_BIN, MOST_BINS = 30, 15
_NORMAL = 1.96
_FARTHEST = 30.0


class Reliability(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far answers are from what happened.

    of: the class whose probability is meant; "the likeliest class" beyond two; "" of numbers.
    error: root mean square, over bins of equal rows, of (mean said - share that happened), freed from what chance
        alone adds; None of numbers and where there are too few rows for two bins.
    slope, intercept: of the truth's log-odds on the answer's (of numbers: of truth on answer); 1 and 0 are right, a
        slope below 1 means answers too extreme. None where they cannot be fitted.
    """

    of: str
    bins: int = 0
    error: Interval | None = None
    slope: Interval | None = None
    intercept: Interval | None = None


def reliability(truth: np.ndarray, scores: Floats, signature: Signature, block: Block = 1) -> Reliability | None:
    """Of answers (n, outputs) to rows in time order, `block` neighbours of which may be alike; None for other tasks."""
    if signature.quantile:
        return None  # truths scatter around it by design; `coverage` says whether it holds
    if signature.task == "regression":
        predicted, numbers = scores[:, 0], np.asarray(truth, dtype=np.float64)
        slope, intercept = _straight(predicted, numbers, block)
        return Reliability("", slope=slope, intercept=intercept)
    if signature.task != "classification":
        return None
    codes = class_codes(truth, signature.classes)
    if len(signature.classes) == 2:
        column = positive_index(signature)
        said, happened, of = scores[:, column], (codes == column).astype(np.float64), signature.classes[column]
    else:
        likeliest = scores.argmax(axis=1)
        said, happened = scores.max(axis=1), (codes == likeliest).astype(np.float64)
        of = "the likeliest class"
    bins = min(MOST_BINS, len(said) // ROWS_A_BIN)
    slope, intercept = _logistic(said, happened, block)
    error = calibration_error(said, happened, bins, block) if bins >= 2 else None
    return Reliability(of, bins if error is not None else 0, error, slope, intercept)


def calibration_error(said: Floats, happened: Floats, bins: int, block: Block = 1) -> Interval:
    """Root mean square distance of `said` (n,) from the share that `happened` (n,), over bins of equal rows.

    The plain average of squared distances is never below what chance makes of a perfect model; each bin's variance
    is taken off. The interval is that of the square (normal, by the variances of the bins), its root taken.
    block: neighbours counted as one observation. Source: Kumar, Liang and Ma, Verified uncertainty calibration (2019).
    """
    n = len(said)
    order, group = np.argsort(said, kind="stable"), block_codes(n, block)
    distance, spread, share = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    off, square = np.zeros(bins), said - happened
    for b, rows in enumerate(np.array_split(order, bins)):
        size = len(rows)
        distance[b], share[b] = square[rows].mean(), size / n
        left = square[rows] - distance[b]
        if not every_row(block):
            sums = np.bincount(group[rows], weights=left)
            off[b] = (sums @ sums) / size**2
        off[b] = max(off[b], (left @ left) / (size * (size - 1)))
        # A bin in which nothing happened seems to vary in nothing: what the answers themselves expect is the least.
        spread[b] = max(off[b], float((said[rows] * (1 - said[rows])).mean()) / size)
    plain = share @ (distance**2 - off)
    inner = np.maximum(distance**2 - off, 0.0)
    half = _NORMAL * float(np.sqrt((share**2) @ (2 * spread**2 + 4 * inner * spread)))
    ends = np.sqrt(np.clip([plain, plain - half, plain + half], 0.0, 1.0))
    return Interval(float(ends[0]), float(ends[1]), float(ends[2]))


def _logistic(said: Floats, happened: Floats, block: Block) -> tuple[Interval | None, Interval | None]:
    """Slope and, with slope 1, intercept of the log-odds. Source: Cox (1958); Van Calster et al. (2019)."""
    event = happened > 0
    if event.all() or not event.any():
        return None, None
    # Where every event lies above (or below) every other row, the slope has no end.
    parted = said[event].min() >= said[~event].max() or said[event].max() <= said[~event].min()
    clipped = np.clip(said, 1e-6, 1 - 1e-6)
    odds = np.log(clipped / (1 - clipped))
    design = np.stack([np.ones_like(odds), odds], axis=1)
    both = None if parted else _newton(design, np.zeros_like(odds), happened, block)
    shift = _newton(np.ones((len(odds), 1)), odds, happened, block)
    return (both[1] if both else None), (shift[0] if shift else None)


def _newton(design: Floats, offset: Floats, happened: Floats, block: Block) -> list[Interval] | None:
    at = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ at + offset, -_FARTHEST, _FARTHEST)))
        bread = (design * (p * (1 - p))[:, None]).T @ design
        try:
            step = np.linalg.solve(bread, design.T @ (happened - p))
        except np.linalg.LinAlgError:
            return None
        at = at + step
        if np.abs(at).max() > _FARTHEST:
            return None
        if np.abs(step).max() < 1e-10:
            break
    return _sandwich(at, design * (happened - p)[:, None], bread, block)


def _straight(predicted: Floats, truth: Floats, block: Block) -> tuple[Interval | None, Interval | None]:
    """Slope and intercept of truth on answer. Source: Mincer and Zarnowitz (1969)."""
    if len(truth) < 3 or np.ptp(predicted) == 0:
        return None, None
    design = np.stack([np.ones_like(predicted), predicted - predicted.mean()], axis=1)
    bread = design.T @ design
    at = np.linalg.solve(bread, design.T @ truth)
    # The intercept at the mean answer less that answer: how far answers are off on the whole.
    shift = at - np.array([predicted.mean(), 0.0])
    found = _sandwich(shift, design * (truth - design @ at)[:, None], bread, block)
    return (found[1], found[0]) if found else (None, None)


def _sandwich(at: Floats, scores: Floats, bread: Floats, block: Block) -> list[Interval] | None:
    if isinstance(block, np.ndarray):
        scores = np.stack([np.bincount(block, weights=column) for column in scores.T], axis=1)
    elif block > 1:
        first = np.arange(0, len(scores), block)
        scores = np.add.reduceat(scores, first, axis=0)
    count = len(scores)
    try:
        inverse = np.linalg.inv(bread)
    except np.linalg.LinAlgError:
        return None
    cover = inverse @ (scores.T @ scores) @ inverse * (count / max(count - 1, 1))
    half = _quantile(count) * np.sqrt(np.diagonal(cover))
    return [Interval(float(v), float(v - h), float(v + h)) for v, h in zip(at, half, strict=True)]


def _quantile(blocks: int) -> float:
    """Two-sided 95 % quantile of Student's t, which matters when there are few blocks."""
    from fairlead.lab.stats.quantiles import student

    return student(0.975, max(blocks - 1, 1))
