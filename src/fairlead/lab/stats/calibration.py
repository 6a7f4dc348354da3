"""From scores to probabilities: isotonic regression, Platt's sigmoid, temperature; how far off probabilities are.

Plain numbers in and out, so that training, judging and monitoring can share them. Every fit is deterministic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints

LEAST = 1e-6
"""Probabilities are taken for at least this, and at most 1 - LEAST, before their log-odds are taken."""
FINEST, SHARE = 1e-6, 1 / 256
"""Least distance of two knots of a curve: a share of p * (1 - p), so that no curve is steeper than a model is exact."""
BINS = 10
STEPS = 100


class Blocks(NamedTuple):
    """What pooling adjacent violators leaves: mean score, level and weight of each block, scores rising."""

    x: Floats
    y: Floats
    weight: Floats


def pooled(score: Floats, event: Floats) -> Blocks:
    """Isotonic regression of `event` (n,) in [0, 1] on `score` (n,): the best steps that never fall.

    Source: Ayer et al., An empirical distribution function for sampling with incomplete information (1955).
    """
    distinct, where, counts = np.unique(score, return_inverse=True, return_counts=True)
    sums = np.bincount(where.reshape(-1), weights=event, minlength=len(distinct))
    stack: list[list[float]] = []
    for x, total, weight in zip(distinct.tolist(), sums.tolist(), counts.astype(np.float64).tolist(), strict=True):
        block = [x * weight, total, weight]
        while stack and stack[-1][1] * block[2] >= block[1] * stack[-1][2]:
            before = stack.pop()
            block = [a + b for a, b in zip(before, block, strict=True)]
        stack.append(block)
    table = np.array(stack)
    return Blocks(table[:, 0] / table[:, 2], table[:, 1] / table[:, 2], table[:, 2])


def steps(blocks: Blocks, score: Floats, event: Floats) -> Floats:
    """The isotonic value of each of the rows that the blocks are of. Shape (n,)."""
    order = np.argsort(score, kind="stable")
    found = np.empty(len(score))
    found[order] = np.repeat(blocks.y, blocks.weight.astype(np.int64))
    return found


def isotonic(score: Floats, event: Floats) -> tuple[Floats, Floats]:
    """Points (x, y) of a curve through the middles of the isotonic steps: x rises, y never falls, both in [0, 1].

    Through the middles and not along the steps, as that errs less between them; levels of exactly 0 or 1, which no
    number of rows can show, are drawn inside as one more row of each kind would.
    Source: Oron and Flournoy, Centered isotonic regression (2017).
    """
    x, y, weight = (part.tolist() for part in pooled(score, event))
    kept: list[list[float]] = []
    for at, level, rows in zip(x, y, weight, strict=True):
        block = [at, level, rows]
        while kept and block[0] - kept[-1][0] < max(FINEST, SHARE * block[0] * (1.0 - block[0])):
            before = kept.pop()
            total = before[2] + block[2]
            block = [*((before[k] * before[2] + block[k] * block[2]) / total for k in (0, 1)), total]
        kept.append(block)
    table = np.array(kept)
    levels = table[:, 1].copy()
    first, last = table[0], table[-1]
    if first[1] <= 0.0:
        levels[0] = min(0.5 / (first[2] + 1.0), levels[1] if len(levels) > 1 else 1.0)
    if last[1] >= 1.0:
        levels[-1] = max((last[2] + 0.5) / (last[2] + 1.0), levels[-2] if len(levels) > 1 else 0.0)
    return np.clip(table[:, 0], 0.0, 1.0), np.maximum.accumulate(np.clip(levels, 0.0, 1.0))


def log_odds(p: Floats) -> Floats:
    """log(p / (1 - p)), p taken to be within LEAST of 0 and 1 at most."""
    inside = np.clip(p, LEAST, 1.0 - LEAST)
    found: Floats = np.log(inside / (1.0 - inside))
    return found


def sigmoid(score: Floats, event: Floats) -> tuple[float, float]:
    """(slope, intercept), so that 1 / (1 + exp(-(slope * score + intercept))) fits `event` (n,); slope >= 0.

    The targets are shrunk as Platt says, by one row of each kind. Source: Platt, Probabilistic outputs for support
    vector machines (1999); Lin, Lin and Weng, A note on Platt's probabilistic outputs (2007).
    """
    events = float(event.sum())
    others = len(event) - events
    target = np.where(event > 0.0, (events + 1.0) / (events + 2.0), 1.0 / (others + 2.0))
    start = float(np.log((events + 1.0) / (others + 1.0)))
    slope, intercept = _newton(score, target, start)
    return (slope, intercept) if slope >= 0.0 else (0.0, start)


def _newton(score: Floats, target: Floats, start: float) -> tuple[float, float]:
    """Newton's method with halved steps on the cross-entropy, which is convex."""
    scale = max(float(np.abs(score).max()), 1.0)
    x = score / scale
    slope, intercept = 0.0, start
    value = _cross_entropy(x, target, slope, intercept)
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-(slope * x + intercept)))
        error, curve = p - target, np.maximum(p * (1.0 - p), 1e-12)
        gradient = np.array([error @ x, error.sum()])
        hessian = np.array([[curve @ (x * x), curve @ x], [curve @ x, curve.sum()]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        share = 1.0
        while share > 1e-10:
            tried = (slope - share * float(step[0]), intercept - share * float(step[1]))
            found = _cross_entropy(x, target, *tried)
            if found < value:
                break
            share /= 2
        else:
            break
        (slope, intercept), gain, value = tried, value - found, found
        if gain <= 1e-14 * max(1.0, abs(value)):
            break
    return slope / scale, intercept


def _cross_entropy(x: Floats, target: Floats, slope: float, intercept: float) -> float:
    odds = slope * x + intercept
    # log(1 + exp(odds)) without overflow
    return float((np.logaddexp(0.0, odds) - target * odds).sum())


def temperature(scores: Floats, codes: Ints) -> float:
    """The exponent 1 / T, so that p ** (1 / T), made to sum to 1, fits the classes best; within [1/20, 20].

    scores: (n, k); codes: (n,) positions of the true classes. Source: Guo et al., On calibration of modern neural
    networks (2017), whose logits are log-probabilities here.
    """
    logs = np.log(np.clip(scores, LEAST, 1.0 - LEAST))
    own = logs[np.arange(len(codes)), codes]

    def loss(exponent: float) -> float:
        raised = exponent * logs
        top = raised.max(axis=1)
        return float((top + np.log(np.exp(raised - top[:, None]).sum(axis=1)) - exponent * own).mean())

    # Convex in the exponent: golden section on its logarithm.
    low, high = float(np.log(1 / 20)), float(np.log(20))
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(float(np.exp(a))), loss(float(np.exp(b)))
    for _ in range(60):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(float(np.exp(a)))
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(float(np.exp(b)))
    return float(np.exp((low + high) / 2))


def calibration_error(said: Floats, happened: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean |said - happened| over bins of equal rows, weighted by rows. In [0, 1].

    said: (n,) probabilities; happened: (n,) whether. Source: Naeini et al., Obtaining well calibrated probabilities
    using Bayesian binning (2015), with bins of equal rows.
    """
    if not len(said):
        return 0.0
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, min(bins, len(said)))
    return float(sum(abs(float((said[p] - happened[p]).sum())) for p in parts) / len(said))
