"""Judging as a fold: metrics of a sealed model over rows that lie anywhere, with intervals, and bounds where they are
not exact.

What adds up, adds up: counts of decisions exactly, sums of losses to 1e-12. The areas under curves do not; they are
read from a grid of `GRID` scores, and are off by no more than what rows within a cell of it could do in the best and
in the worst order, which is told beside them. Intervals are of a Poisson bootstrap whose weights are hashes of a
row's key and the draw, so they do not depend on who counted which row.
Source: Chamandy, Muralidharan, Najmi and Naidu, Estimating uncertainty for massive data streams (2012).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import digamma

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.intervals import percentile
from fairlead.lab.stats.measures import (
    _mean_of_defined,
    _precision_recall,
    class_codes,
    decisions,
    half_squared_distance,
    positive_index,
    ranking_areas,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.lab.tables.engines import Engine, Fold, Place
    from fairlead.runtime.bundle import Model

Sums = dict[str, npt.NDArray[Any]]
GRID = 1_024
DRAWS = 200
BUNDLE = "bundle"
_EPS = 1e-15
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Judged(msgspec.Struct, frozen=True):
    """Metrics by name, with 95 % intervals. rows: with a truth; unlabelled: without one, left out.

    off_by: how far a metric may be from its exact value at most; exact ones (to 1e-12) are not among them.
    """

    rows: int
    unlabelled: int
    metrics: dict[str, Interval]
    off_by: dict[str, float]


def judge_on(
    engine: Engine, model: Model, folder: Path, trusted: Sequence[str], source: Any, draws: int = DRAWS
) -> Judged:
    """Metrics of the sealed model on all rows of a table that have a truth. folder, trusted: as `score_on` has them.

    Raises UsageError for tasks that are not judged row by row, ColumnMissing, CellInvalid, BundleRefused.
    """
    told = model.signature
    if told.task not in ("classification", "regression") or told.quantile:
        raise UsageError(f"a model of task {told.task} is judged in one place: leave out --engine.")
    sums = engine.fold(source, judging(told, folder, tuple(trusted), draws))
    return judged_of(sums, told)


def judging(told: Signature, folder: Path, trusted: tuple[str, ...], draws: int) -> Fold[Sums, Sums]:
    """The fold: answers of the sealed model, opened in each process, beside the truth."""
    from fairlead.lab.tables.engines import Fold

    def zero(place: Place) -> Any:
        from fairlead.runtime.bundle import load

        return {"model": load(place(BUNDLE), trusted)}

    def step(state: Any, batch: pa.RecordBatch, first: int) -> Any:
        found = tally(state["model"], batch, first, draws)
        state["sums"] = add([state["sums"], found]) if "sums" in state else found
        return state

    key = () if told.key is None else (told.key,)
    columns = tuple(dict.fromkeys((*(c.name for c in told.columns), told.target, *key)))
    return Fold(zero, step, lambda state: pack(state.get("sums", {})), unpack, add, pack, columns, {BUNDLE: folder})


def tally(model: Model, batch: pa.RecordBatch, first: int, draws: int) -> Sums:
    """Sums over the rows of a batch, each with a first axis of (1 + draws,): as they are, and as they were drawn."""
    from fairlead.lab.tables import columns_of, target_of

    told = model.signature
    cells = columns_of(batch, told, zone=told.timezone, first_row=first, text="arrow")
    asked = columns_of(batch, told, zone=told.timezone, first_row=first, text="codes")
    truth = target_of(batch, told)
    scores = np.asarray(model.score_columns(asked), dtype=np.float64)
    known = np.array([t is not None for t in truth]) if told.classes else ~np.isnan(truth)
    weights = poisson(_keys(batch, cells, told)[known], draws)
    left = {"rows": np.array([known.sum()]), "unlabelled": np.array([(~known).sum()])}
    if told.classes:
        return {**left, **_classified(class_codes(truth[known], told.classes), scores[known], weights, told)}
    return {**left, **_predicted(truth[known], scores[known, 0], weights)}


def _classified(codes: Any, scores: Any, weights: Any, told: Signature) -> Sums:
    n, k = scores.shape
    own = np.where(codes >= 0, scores[np.arange(n), np.maximum(codes, 0)], 0.0)
    nats = -np.log(np.clip(own / np.maximum(scores.sum(axis=1), _EPS), _EPS, 1.0))
    pairs = np.where(codes < 0, k, codes) * k + decisions(scores, told)
    chosen = [positive_index(told)] if k == 2 else range(k)
    cells = [(codes == c) * GRID + np.clip(np.floor(scores[:, c] * GRID), 0, GRID - 1).astype(np.int64) for c in chosen]
    return {
        "pairs": np.stack([np.bincount(pairs, w, (k + 1) * k) for w in weights]).astype(np.int64),
        "grid": np.stack([[np.bincount(at, w, 2 * GRID) for at in cells] for w in weights]).astype(np.int64),
        "log_loss": weights @ nats,
        "brier": weights @ half_squared_distance(codes, scores),
    }


def _predicted(truth: Any, predicted: Any, weights: Any) -> Sums:
    error = predicted - truth
    total = weights.sum(axis=1)
    mean = np.divide(weights @ truth, total, out=np.zeros(len(total)), where=total > 0)
    # Sums of squares about each part's own mean: added up as Chan, Golub and LeVeque have it, nothing cancels.
    about = np.stack([w @ np.square(truth - m) for w, m in zip(weights, mean, strict=True)])
    return {
        "weight": total, "squares": weights @ (error * error), "absolute": weights @ np.abs(error),
        "mean": mean, "about": about,
    }  # fmt: skip


def add(parts: Sequence[Sums]) -> Sums:
    """Sums of parts of the rows as sums of all of them."""
    filled = [part for part in parts if part]
    if not filled:
        return {}
    found = {name: np.sum([part[name] for part in filled], axis=0) for name in filled[0]}
    if "about" in found:
        total = np.maximum(found["weight"], 1e-300)
        found["mean"] = np.sum([p["mean"] * p["weight"] for p in filled], axis=0) / total
        apart = np.sum([p["weight"] * np.square(p["mean"] - found["mean"]) for p in filled], axis=0)
        found["about"] = found["about"] + apart
    return found


def judged_of(sums: Sums, told: Signature) -> Judged:
    """Metrics from sums of all rows. Raises UsageError where no row has a truth."""
    if not sums or not sums["rows"][0]:
        raise UsageError(f"no row of the table has a truth in column {told.target!r}.")
    drawn, off_by = (_classes if told.classes else _numbers)(sums, told)
    found = {n: percentile(float(v[0]), v[1:]) for n, v in drawn.items() if np.isfinite(v[0])}
    return Judged(int(sums["rows"][0]), int(sums["unlabelled"][0]), found, off_by)


def _classes(sums: Sums, told: Signature) -> tuple[Sums, dict[str, float]]:
    k = len(told.classes)
    places = np.arange((k + 1) * k)
    true, said = places // k, places % k
    true = np.where(true == k, -1, true)
    counts = sums["pairs"].astype(np.float64)
    total = np.maximum(counts.sum(axis=1), 1e-300)
    precision, recall, f1 = _precision_recall(true, said, k, counts, told)
    event, score = np.repeat([False, True], GRID), np.tile(np.arange(GRID, dtype=np.float64), 2)
    grid = sums["grid"].astype(np.float64)
    areas = [ranking_areas(event, score, grid[:, c]) for c in range(grid.shape[1])]
    bounds = [area_bounds(grid[0, c]) for c in range(grid.shape[1])]
    defined = [b for b in bounds if b is not None]
    found = {
        "accuracy": counts @ (true == said) / total,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": _mean_of_defined([a[0] for a in areas]),
        "pr_auc": _mean_of_defined([a[1] for a in areas]),
        "log_loss": sums["log_loss"] / total,
        "brier": sums["brier"] / total,
    }
    if not defined:
        return found, {}
    roc, pr = np.mean(defined, axis=0).tolist()
    return found, {"roc_auc": roc, "pr_auc": pr}


def _numbers(sums: Sums, _: Signature) -> tuple[Sums, dict[str, float]]:
    total = np.maximum(sums["weight"], 1e-300)
    mse = sums["squares"] / total
    flat = sums["about"] <= _EPS * np.maximum(sums["weight"] * sums["mean"] ** 2 + sums["about"], 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(flat, np.nan, 1.0 - sums["squares"] / sums["about"])
    return {"mse": mse, "rmse": np.sqrt(mse), "mae": sums["absolute"] / total, "r2": r2}, {}


def area_bounds(counts: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """How far the area under the ROC curve and the average precision of a grid may be from the exact ones.

    counts: (2 * GRID,), others first, then events, by ascending score. Within a cell rows may lie in any order: of the
    area each pair of a cell counts as half and may be 0 or 1; the precision is least with all others of a cell before
    its events, and largest after them. None where one class is absent.
    """
    others, events = counts[:GRID][::-1], counts[GRID:][::-1]
    p, n = events.sum(), others.sum()
    if not p or not n:
        return None
    roc = float((others * events).sum() / (2.0 * p * n))
    before_p, before_n = np.cumsum(events) - events, np.cumsum(others) - others
    best = _precisions(events, before_p, before_n).sum() / p
    worst = _precisions(events, before_p, before_n + others).sum() / p
    with np.errstate(divide="ignore", invalid="ignore"):
        tied = np.nan_to_num(events * (before_p + events) / (before_p + events + before_n + others)).sum() / p
    return roc, float(max(best - tied, tied - worst))


def _precisions(events: Any, before: Any, others: Any) -> Any:
    """Sum over the i-th of so many events of (before + i) / (before + others + i)."""
    rows = before + others
    return events - others * (digamma(rows + events + 1.0) - digamma(rows + 1.0))


def poisson(keys: npt.NDArray[np.uint64], draws: int) -> npt.NDArray[np.float64]:
    """Weights (1 + draws, rows): ones, then how often each draw takes a row, Poisson of mean 1 by hashes."""
    from fairlead.lab.tables.quality.hashing import mixed

    table = np.cumsum([np.exp(-1.0) / float(f) for f in np.cumprod([1, *range(1, 12)])])
    found = np.ones((1 + draws, len(keys)))
    with np.errstate(over="ignore"):
        for draw in range(1, draws + 1):
            uniform = (mixed(keys + np.uint64(draw) * _GOLDEN) >> np.uint64(11)) * 2.0**-53
            found[draw] = np.searchsorted(table, uniform, side="right")
    return found


def _keys(batch: pa.RecordBatch, cells: dict[str, Any], told: Signature) -> npt.NDArray[np.uint64]:
    """A hash of each row's key; without one of all its cells, so rows alike in all of them are drawn together."""
    from fairlead.lab.tables.quality.hashing import column_hashes, mixed, row_hashes

    if told.key is not None and told.key in batch.schema.names:
        return mixed(column_hashes(batch.column(told.key)))
    parts = [
        mixed((v + 0.0).view(np.uint64)) if isinstance(v, np.ndarray) and v.dtype == np.float64 else column_hashes(v)
        for v in cells.values()
        if not (isinstance(v, np.ndarray) and v.ndim > 1)
    ]
    return row_hashes(parts)


def pack(sums: Sums) -> bytes:
    """Sums as bytes, without pickle."""
    held = io.BytesIO()
    np.savez(held, **sums)  # type: ignore[arg-type]
    return held.getvalue()


def unpack(data: bytes) -> Sums:
    """Sums from bytes."""
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        return {name: held[name] for name in held.files}
