"""What a model gives away: who it learned from, and what the sensitive cells of a row are."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column
from fairlead.lab.evaluate.robustness.evidence import Inversion, Membership
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.intervals import bootstrap, percentile
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import ranking_areas

DRAWS = 500
VALUES = 12
SMALL = 30


def membership(members: np.ndarray, others: np.ndarray, seed: int = 0) -> Membership | None:
    """Whether rows that the model learned from lose less than rows that it has not seen.

    members, others: losses, (m,) and (n,). The attack calls a row a member when its loss is below a threshold, and
    the best threshold is taken: at least what this attack, which does not know it, can do. Intervals resample both
    sides. None with fewer than 30 rows on a side.
    Source: Yeom, Giacomelli, Fredrikson and Jha, Privacy risk in machine learning (CSF 2018).
    """
    if min(len(members), len(others)) < SMALL:
        return None
    score = -np.concatenate([members, others])
    event = np.arange(len(score)) < len(members)
    random = np.random.default_rng([seed, 23])
    weights = np.ones((DRAWS + 1, len(score)))
    for draw in range(1, DRAWS + 1):
        weights[draw, : len(members)] = np.bincount(
            random.integers(0, len(members), len(members)), minlength=len(members)
        )
        weights[draw, len(members) :] = np.bincount(random.integers(0, len(others), len(others)), minlength=len(others))
    area, _ = ranking_areas(event, score, weights)
    gap = _advantage(event, score, weights)
    return Membership(
        len(members), len(others), percentile(float(area[0]), area[1:]), percentile(float(gap[0]), _unbiased(gap))
    )


def _unbiased(gap: np.ndarray) -> np.ndarray:
    """Resampled maxima lie above the maximum by about what chance adds; reflected, they lie around it."""
    found: np.ndarray = np.maximum(2.0 * gap[0] - gap[1:], 0.0)
    return found


def _advantage(event: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The largest true less false positive rate over all thresholds. Shape (draws,)."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    hit = event[order].astype(np.float64)
    ordered = weights[:, order]
    true = np.cumsum(ordered * hit, axis=1)[:, ends]
    false = np.cumsum(ordered * (1.0 - hit), axis=1)[:, ends]
    gaps: np.ndarray = true / true[:, -1:] - false / false[:, -1:]
    found: np.ndarray = np.maximum(gaps.max(axis=1), 0.0)
    return found


def inversion(judged: Judged, column: Column, rows: np.ndarray, seed: int = 0) -> Inversion | None:
    """Guess a column's cells from all others, the truth and the model's answers; and blindly, by what is commonest.

    The guess is the value v with the largest P(v) x p(truth | row with v), as the model has it; of a regression by a
    normal error with the rows' own spread. None for a column that is no category or flag, or too few rows.
    Source: Fredrikson et al., Privacy in pharmacogenetics (USENIX Security 2014).
    """
    cells = np.asarray(judged.columns[column.name])[rows]
    known = np.array([c is not None and c == c for c in cells])
    values: list[Any] = [0.0, 1.0] if column.kind == "boolean" else list(column.categories[:VALUES])
    if column.kind not in ("category", "boolean") or known.sum() < SMALL or len(values) < 2:
        return None
    chosen = rows[known]
    truth_cells = cells[known]
    counts = np.array([np.sum(truth_cells == v) for v in values], dtype=np.float64)
    prior = (counts + 1.0) / (counts + 1.0).sum()
    columns = {name: np.asarray(array)[chosen] for name, array in judged.columns.items()}
    likely = []
    for value in values:
        try:
            changed = columns | {column.name: np.full(len(chosen), value, dtype=truth_cells.dtype)}
            scores = np.asarray(judged.model.score_columns(changed), dtype=np.float64)
        except CellInvalid:
            return None
        likely.append(_likelihood(judged, chosen, scores))
    posterior = np.stack(likely) * prior[:, None]
    guess = np.asarray(values, dtype=truth_cells.dtype)[np.argmax(posterior, axis=0)]
    commonest = np.asarray(values, dtype=truth_cells.dtype)[int(np.argmax(prior))]
    right, blind = (guess == truth_cells).astype(np.float64), (truth_cells == commonest).astype(np.float64)
    gain = bootstrap(right - blind, seed=seed, draws=DRAWS)
    return Inversion(column.name, len(chosen), float(right.mean()), float(blind.mean()), gain)


def _likelihood(judged: Judged, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How likely the truth is by these scores, up to a factor. Shape (n,)."""
    signature, truth = judged.signature, judged.truth[rows]
    if signature.task == "classification":
        place = {name: at for at, name in enumerate(signature.classes)}
        at = np.array([place.get(str(t), -1) for t in truth])
        return np.where(at >= 0, scores[np.arange(len(scores)), np.maximum(at, 0)], 1.0 / len(place))
    error = truth.astype(np.float64) - scores[:, 0]
    spread = float(np.std(judged.truth[rows].astype(np.float64) - judged.scores[rows, 0])) or 1.0
    likely: np.ndarray = np.exp(-0.5 * (error / spread) ** 2)
    return likely


def member_losses(judged: Judged, members: Any) -> np.ndarray | None:
    """Losses of rows that the model learned from, as the judged rows' were taken. members: a frame with the target."""
    from fairlead.lab.tables import columns_of, target_of

    signature = judged.signature
    if members is None or signature.target not in members.columns:
        return None
    truth = target_of(members, signature)
    columns = columns_of(members, signature, zone=signature.timezone, invalid="missing")
    scores = np.asarray(judged.model.score_columns(columns), dtype=np.float64)
    known = np.array([t is not None for t in truth]) if signature.task == "classification" else np.isfinite(truth)
    return losses(signature.task, truth[known], scores[known], signature, judged.clip)
