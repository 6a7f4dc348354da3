"""Judging as a fold: metrics of a sealed model over rows that lie anywhere, with intervals, and bounds where they are
not exact.

What adds up, adds up: counts of decisions exactly, sums of losses to 1e-12. The areas under curves do not; they are
read from a grid of `GRID` scores, and are off by no more than what rows within a cell of it could do in the best and
in the worst order, which is told beside them. Intervals are of a Poisson bootstrap whose weights are hashes of a
row's key and the draw, so they do not depend on who counted which row; with time whole stretches of it are drawn, by
their number. The best constant is known before the pass, by a first one over the truth alone.
Source: Chamandy, Muralidharan, Najmi and Naidu, Estimating uncertainty for massive data streams (2012).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import digamma

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.further import _TOP, _correlation
from fairlead.lab.stats.intervals import percentile
from fairlead.lab.stats.loss import losses
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
BUNDLE, CHAMPION = "bundle", "champion"
CONSTANT = "constant"
_EPS = 1e-15
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Judged(msgspec.Struct, frozen=True):
    """Metrics by name, with 95 % intervals. rows: with a truth; unlabelled: without one, left out.

    off_by: how far a metric may be from its exact value at most; exact ones (to 1e-12) are not among them.
    loss: mean loss in [0, 1]. against: of `constant` and `champion`, their mean loss and ours less theirs.
    """

    rows: int
    unlabelled: int
    metrics: dict[str, Interval]
    off_by: dict[str, float]
    loss: Interval | None = None
    against: dict[str, tuple[float, Interval]] = {}


@dataclass(frozen=True)
class Asked:
    """What is asked of every row. zone: of times without one. clip: the error that is loss 1; constant: its scores.

    times, start, stretch: event time, where it begins and the seconds that are drawn together; 0: rows on their own.
    """

    told: Signature
    draws: int = DRAWS
    zone: str = "UTC"
    clip: float = 1.0
    constant: tuple[float, ...] = ()
    times: tuple[str, ...] = ()
    start: float = 0.0
    stretch: float = 0.0


def judge_on(
    engine: Engine, model: Model, folder: Path, trusted: Sequence[str], source: Any, draws: int = DRAWS, *,
    asked: Asked | None = None, champion: tuple[Model, Path] | None = None,
) -> Judged:  # fmt: skip
    """Metrics of the sealed model on all rows of a table that have a truth. folder, trusted: as `score_on` has them.

    asked: else no constant and no time. champion: another bundle and its folder, which answers the same rows.
    Raises UsageError for tasks that are not judged row by row, ColumnMissing, BundleRefused.
    """
    told = model.signature if asked is None else asked.told
    refuse(told)
    chosen = asked or Asked(told, draws, told.timezone, model.reference.loss_clip)
    sums = engine.fold(source, judging(chosen, folder, tuple(trusted), champion))
    return judged_of(sums, told)


def refuse(told: Signature) -> None:
    """Raises UsageError for models whose figures do not add up from rows."""
    why = ""
    if told.task not in ("classification", "regression"):
        why = f"a model of task {told.task} is judged by all of its rows together"
    elif told.quantile:
        why = "a model of a quantile is judged by its coverage, which is not among what is added up"
    elif told.group is not None:
        why = "a ranking is judged by whole groups, whose rows may lie apart"
    if why:
        raise UsageError(f"{why}: judge it here, with --engine local.")


def judging(
    asked: Asked, folder: Path, trusted: tuple[str, ...], champion: tuple[Model, Path] | None = None
) -> Fold[Sums, Sums]:
    """The fold: answers of the sealed model, opened in each process, beside the truth."""
    from fairlead.lab.tables.engines import Fold

    told = asked.told
    ships = {BUNDLE: folder} if champion is None else {BUNDLE: folder, CHAMPION: champion[1]}
    rival = champion is not None
    features = (*told.columns, *(() if champion is None else champion[0].signature.columns))
    key = () if told.key is None else (told.key,)
    columns = tuple(dict.fromkeys((*(c.name for c in features), told.target, *key, *asked.times)))

    def zero(place: Place) -> Any:
        from fairlead.runtime.bundle import load

        return {"model": load(place(BUNDLE), trusted), "rival": load(place(CHAMPION), trusted) if rival else None}

    def step(state: Any, batch: pa.RecordBatch, first: int) -> Any:
        found = tally(state["model"], state["rival"], batch, first, asked)
        state["sums"] = add([state["sums"], found]) if "sums" in state else found
        return state

    return Fold(zero, step, lambda state: pack(state.get("sums", {})), unpack, add, pack, columns, ships)


def tally(model: Model, rival: Model | None, batch: pa.RecordBatch, first: int, asked: Asked) -> Sums:
    """Sums over the rows of a batch, each with a first axis of (1 + draws,): as they are, and as they were drawn."""
    from fairlead.lab.tables import columns_of, target_of

    told = asked.told
    cells = columns_of(batch, told, zone=asked.zone, first_row=first, invalid="missing", text="arrow")
    truth = target_of(batch, told)
    known = np.array([t is not None for t in truth]) if told.classes else np.isfinite(truth)
    truth, scores = truth[known], _scores(model, batch, asked.zone, first)[known]
    weights = poisson(_drawn_by(batch, cells, asked)[known], asked.draws)
    found = {"rows": np.array([known.sum()]), "unlabelled": np.array([(~known).sum()])}
    if told.classes:
        found |= _classified(class_codes(truth, told.classes), scores, weights, told)
    else:
        found |= _predicted(truth, scores[:, 0], weights)
    found["loss"] = weights @ losses(told.task, truth, scores, told, asked.clip)
    if asked.constant:
        answered = np.tile(np.array(asked.constant), (len(truth), 1))
        found[f"loss_{CONSTANT}"] = weights @ losses(told.task, truth, answered, told, asked.clip)
    if rival is not None:
        clip = rival.reference.loss_clip
        answered = _reordered(_scores(rival, batch, asked.zone, first)[known], rival.signature, told)
        found["loss_by_champion"] = weights @ losses(told.task, truth, scores, told, clip)
        found[f"loss_{CHAMPION}"] = weights @ losses(told.task, truth, answered, told, clip)
    return found


def _scores(model: Model, batch: pa.RecordBatch, zone: str, first: int) -> npt.NDArray[np.float64]:
    from fairlead.lab.tables import columns_of

    cells = columns_of(batch, model.signature, zone=zone, first_row=first, invalid="missing", text="codes")
    return np.asarray(model.score_columns(cells), dtype=np.float64)


def _reordered(scores: Any, theirs: Signature, ours: Signature) -> Any:
    if theirs.classes == ours.classes:
        return scores
    found = np.zeros((len(scores), len(ours.classes)))
    for place, name in enumerate(ours.classes):
        if name in theirs.classes:
            found[:, place] = scores[:, theirs.classes.index(name)]
    return found


def _classified(codes: Any, scores: Any, weights: Any, told: Signature) -> Sums:
    n, k = scores.shape
    own = np.where(codes >= 0, scores[np.arange(n), np.maximum(codes, 0)], 0.0)
    nats = -np.log(np.clip(own / np.maximum(scores.sum(axis=1), _EPS), _EPS, 1.0))
    pairs = np.where(codes < 0, k, codes) * k + decisions(scores, told)
    chosen = [positive_index(told)] if k == 2 else range(k)
    cells = [(codes == c) * GRID + np.clip(np.floor(scores[:, c] * GRID), 0, GRID - 1).astype(np.int64) for c in chosen]
    found = {
        "weight": weights.sum(axis=1),
        "pairs": np.stack([np.bincount(pairs, w, (k + 1) * k) for w in weights]).astype(np.int64),
        "grid": np.stack([[np.bincount(at, w, 2 * GRID) for at in cells] for w in weights]).astype(np.int64),
        "log_loss": weights @ nats,
        "brier": weights @ half_squared_distance(codes, scores),
    }
    if k > 2:
        true = np.where(codes >= 0, scores[np.arange(n), np.maximum(codes, 0)], -np.inf)
        rank = (scores >= true[:, None]).sum(axis=1)
        found |= {f"top_{t}": weights @ (rank <= t).astype(np.float64) for t in _TOP if t < k}
    return found


def _predicted(truth: Any, predicted: Any, weights: Any) -> Sums:
    error = predicted - truth
    total = weights.sum(axis=1)
    mean = np.divide(weights @ truth, total, out=np.zeros(len(total)), where=total > 0)
    # Sums of squares about each part's own mean: added up as Chan, Golub and LeVeque have it, nothing cancels.
    about = np.stack([w @ np.square(truth - m) for w, m in zip(weights, mean, strict=True)])
    relative = np.divide(np.abs(error), np.abs(truth), out=np.zeros(len(truth)), where=truth != 0)
    return {
        "weight": total, "squares": weights @ (error * error), "absolute": weights @ np.abs(error),
        "mean": mean, "about": about, "errors": weights @ error, "relative": weights @ relative,
        "zeros": np.array([(truth == 0).sum()]),
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
    against = {}
    for name, ours in ((CONSTANT, "loss"), (CHAMPION, "loss_by_champion")):
        if f"loss_{name}" in sums:
            theirs = sums[f"loss_{name}"]
            against[name] = (_mean(theirs, sums).value, _mean(sums[ours] - theirs, sums))
    loss = _mean(sums["loss"], sums) if "loss" in sums else None
    return Judged(int(sums["rows"][0]), int(sums["unlabelled"][0]), found, off_by, loss, against)


def _mean(drawn: npt.NDArray[Any], sums: Sums) -> Interval:
    means = np.divide(drawn, sums["weight"], out=np.full(len(drawn), np.nan), where=sums["weight"] > 0)
    return percentile(float(means[0]), means[1:])


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
        **_further(counts.reshape(-1, k + 1, k)[:, :k], told),
        **{name: sums[name] / total for name in sums if name.startswith("top_")},
    }
    if not defined:
        return found, {}
    roc, pr = np.mean(defined, axis=0).tolist()
    return found, {"roc_auc": roc, "pr_auc": pr}


def _further(table: npt.NDArray[np.float64], told: Signature) -> Sums:
    """Those of `stats.further` that counts of (true, decided) give: table (1 + draws, k, k)."""
    true, said = table.sum(axis=2), table.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls = np.diagonal(table, axis1=1, axis2=2) / true
        found = {
            "balanced_accuracy": np.where(true > 0, recalls, 0.0).sum(axis=1) / (true > 0).sum(axis=1),
            "mcc": _correlation(table, true, said),
        }
    return found | ({"specificity": recalls[:, 1 - positive_index(told)]} if table.shape[1] == 2 else {})


def _numbers(sums: Sums, _: Signature) -> tuple[Sums, dict[str, float]]:
    total = np.maximum(sums["weight"], 1e-300)
    mse = sums["squares"] / total
    flat = sums["about"] <= _EPS * np.maximum(sums["weight"] * sums["mean"] ** 2 + sums["about"], 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(flat, np.nan, 1.0 - sums["squares"] / sums["about"])
    found = {"mse": mse, "rmse": np.sqrt(mse), "mae": sums["absolute"] / total, "r2": r2}
    found["bias"] = sums["errors"] / total
    return (found if sums["zeros"][0] else found | {"mape": sums["relative"] / total}), {}


def area_bounds(counts: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """How far the area under the ROC curve and the average precision of a grid may be from the exact ones.

    counts: (2 * GRID,), others first, then events, by ascending score. Within a cell rows may lie in any order: of the
    area each pair of a cell counts as half and may be 0 or 1. The precision of an event is that where rows of its
    score end: least with all others of a cell before its events, which come one by one, and largest with all of its
    events at one score before the others. None where one class is absent.
    """
    others, events = counts[:GRID][::-1], counts[GRID:][::-1]
    p, n = events.sum(), others.sum()
    if not p or not n:
        return None
    roc = float((others * events).sum() / (2.0 * p * n))
    before_p, before_n = np.cumsum(events) - events, np.cumsum(others) - others
    worst = _precisions(events, before_p, before_n + others).sum() / p
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.nan_to_num(events * (before_p + events) / (before_p + events + before_n)).sum() / p
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


def _drawn_by(batch: pa.RecordBatch, cells: dict[str, Any], asked: Asked) -> npt.NDArray[np.uint64]:
    """A hash of what is drawn together: a stretch of time, else a row by its key; without one by all its cells, so
    rows alike in all of them are drawn together."""
    from fairlead.lab.tables import event_times
    from fairlead.lab.tables.quality.hashing import column_hashes, mixed, row_hashes

    told = asked.told
    if asked.stretch:
        since = event_times(batch, asked.times, asked.zone) - asked.start
        return mixed(np.floor(since / asked.stretch).astype(np.int64).view(np.uint64))
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
