"""Calibration: whether and how probabilities are corrected, from rows that each was answered out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from fairlead.contract.decisions import CalibrationFound
from fairlead.contract.evidence import Interval
from fairlead.lab.stats.blocks import Block, block_among
from fairlead.lab.stats.calibration import calibration_error, isotonic, log_odds, sigmoid, temperature
from fairlead.lab.stats.intervals import percentile, resamples
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.runtime.bundle.calibration import Calibration, Knots, Logit, Method, Power

METHODS: tuple[Method, ...] = get_args(Method)
FEWEST = 50
"""Rows below which no curve is fitted."""
MANY_ROWS, DRAWS, DRAWS_OF_MANY = 20_000, 1000, 200
_EPS = float(np.finfo(np.float64).eps)


def fitted(method: Method, scores: Floats, codes: Ints) -> Calibration | None:
    """The calibration that fits these rows; None where they are too few, or of one class.

    scores: (n, k) probabilities; codes: (n,) positions of the true classes, all known.
    """
    outputs = scores.shape[1]
    present = np.bincount(codes, minlength=outputs)
    if len(codes) < FEWEST or (present > 0).sum() < 2:
        return None
    if method == "temperature":
        exponent = temperature(scores, codes)
        if outputs == 2:
            return Calibration(method, (Logit(exponent, 0.0),))
        return Calibration(method, (Power(exponent),) * outputs)
    shown = (1,) if outputs == 2 else range(outputs)
    return Calibration(method, tuple(_curve(method, scores[:, c], (codes == c).astype(np.float64)) for c in shown))


def _curve(method: Method, score: Floats, event: Floats) -> Knots | Logit:
    if method == "isotonic":
        x, y = isotonic(score, event)
        return Knots(tuple(x.tolist()), tuple(y.tolist()))
    return Logit(*sigmoid(log_odds(score), event))


def cross_fitted(method: Method, scores: Floats, codes: Ints, folds: Sequence[Ints], timed: bool) -> Floats:
    """Scores calibrated by curves of other folds: shape (n, k), NaN where there is no curve.

    folds: rows judged in each. timed: folds follow each other, and a curve learns from earlier ones alone.
    """
    table = np.full_like(scores, np.nan)
    for number, judged in enumerate(folds):
        others = folds[:number] if timed else [f for f in folds if f is not judged]
        learned = np.concatenate(others) if others else np.empty(0, np.int64)
        # Repeated cross-validation judges a row in several folds: none may learn from itself.
        learned = np.setdiff1d(learned[codes[learned] >= 0], judged)
        curve = fitted(method, scores[learned], codes[learned])
        if curve is not None:
            table[judged] = curve.reference(scores[judged])
    return table


def settle(
    asked: str, scores: Floats, codes: Ints, folds: Sequence[Ints], *, timed: bool, seed: int, block: Block
) -> tuple[Calibration | None, Floats, CalibrationFound]:
    """What to seal, the out-of-fold scores as they will be answered, and the evidence.

    asked: auto or a method. scores: (n, k), NaN in rows that no fold judged; the scores that come back are cross-fitted
    where a curve is sealed, raw in rows that no curve could be fitted for without them. block: rows that intervals
    draw together. auto takes a way only if it surely lowers the log loss of rows that it had not seen.
    """
    judged = np.flatnonzero(np.isfinite(scores).all(axis=1) & (codes >= 0))
    ways = METHODS if asked == "auto" else tuple(m for m in METHODS if m == asked)
    tables = {way: cross_fitted(way, scores, codes, folds, timed) for way in ways}
    gains = _gains(scores, tables, codes, judged, seed, block)
    if asked != "auto":
        return _as_asked(ways[0], scores, tables[ways[0]], codes, judged, gains)
    surely = [way for way in gains if gains[way].high < 0.0]
    if not surely:
        off = _error(scores, codes, judged)
        return None, scores, CalibrationFound(asked, "", _left(gains), _named(gains), off, off, len(judged))
    best = min(surely, key=lambda way: gains[way].value)
    why = (
        f"Calibrated by {best}: it changes the log loss by {_spread(gains[best])} on rows that its curve had not seen."
    )
    return _sealed(asked, best, why, scores, tables[best], codes, judged, gains)


def _as_asked(
    way: Method, scores: Floats, table: Floats, codes: Ints, judged: Ints, gains: dict[Method, Interval]
) -> tuple[Calibration | None, Floats, CalibrationFound]:
    if way not in gains:
        why = f"Not calibrated: fewer than {FEWEST} rows, or one class alone, were answered out of fold."
        return None, scores, CalibrationFound(way, "", why)
    found = gains[way]
    told = "surely helps" if found.high < 0 else "surely harms" if found.low > 0 else "may be chance"
    why = f"Calibrated by {way}, as asked: it changes the log loss by {_spread(found)}, which {told}."
    return _sealed(way, way, why, scores, table, codes, judged, gains)


def _sealed(
    asked: str,
    way: Method,
    why: str,
    scores: Floats,
    table: Floats,
    codes: Ints,
    judged: Ints,
    gains: dict[Method, Interval],
) -> tuple[Calibration | None, Floats, CalibrationFound]:
    curve = fitted(way, scores[judged], codes[judged])
    shown = np.where(np.isfinite(table), table, scores)
    rows = judged[np.isfinite(table[judged]).all(axis=1)]
    before, after = _error(scores, codes, rows), _error(table, codes, rows)
    return curve, shown, CalibrationFound(asked, way, why, _named(gains), before, after, len(rows))


def _gains(
    scores: Floats, tables: dict[Method, Floats], codes: Ints, judged: Ints, seed: int, block: Block
) -> dict[Method, Interval]:
    """Change of the mean log loss by each way, on the rows that all have curves for; together they hold with 95 %."""
    rows = judged[np.all([np.isfinite(table[judged]).all(axis=1) for table in tables.values()], axis=0)]
    if len(rows) < FEWEST:
        return {}
    before = nats(scores[rows], codes[rows])
    changes = np.stack([nats(table[rows], codes[rows]) - before for table in tables.values()], axis=1)
    draws = DRAWS_OF_MANY if len(rows) > MANY_ROWS else DRAWS
    drawn = np.concatenate(
        [w @ changes / w.sum(axis=1)[:, None] for w in resamples(len(rows), draws, seed, block_among(block, rows))]
    )
    level = 1.0 - 0.05 / len(tables)
    return {way: percentile(float(changes[:, at].mean()), drawn[:, at], level) for at, way in enumerate(tables)}


def nats(scores: Floats, codes: Ints) -> Floats:
    """Log loss of each row, as `lab.stats.measures` takes it. Shape (n,)."""
    own = scores[np.arange(len(codes)), codes] / np.maximum(scores.sum(axis=1), _EPS)
    found: Floats = -np.log(np.clip(own, _EPS, 1.0))
    return found


def _error(scores: Floats, codes: Ints, rows: Ints) -> float:
    if not len(rows):
        return 0.0
    if scores.shape[1] == 2:
        return calibration_error(scores[rows, 1], codes[rows] == 1)
    top = scores[rows].argmax(axis=1)
    return calibration_error(scores[rows, top], codes[rows] == top)


def _named(gains: dict[Method, Interval]) -> dict[str, Interval]:
    return {str(way): gain for way, gain in gains.items()}


def _left(gains: dict[Method, Interval]) -> str:
    if not gains:
        return f"Not calibrated: fewer than {FEWEST} rows, or one class alone, were answered out of fold."
    best = min(gains, key=lambda way: gains[way].value)
    return f"Not calibrated: no way surely lowers the log loss; the best, {best}, changes it by {_spread(gains[best])}."


def _spread(found: Interval) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
