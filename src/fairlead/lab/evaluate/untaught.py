"""Judging what was learned without a truth: groups by their shape, anomalies by labels where there are some.

The loss of a report is then of the whole set of rows, in [0, 1], smaller is better:

- anomaly with labels: 1 - roc_auc, the chance that an anomaly looks less strange than another row; the baseline
  (`chance`) ranks at random, 0.5;
- clustering: (1 - silhouette) / 2, of at most 2,000 rows; the baseline (`no_structure`) is the same number of groups
  that k-means finds in rows drawn evenly from the range of each number (categories shuffled), after Tibshirani,
  Walther and Hastie, Estimating the number of clusters via the gap statistic (2001);
- anomaly without labels: none, and nothing to be better than.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.contract.evidence import Interval
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.comparing import IMPORTANCE_REPEATS, IMPORTANCE_ROWS
from fairlead.lab.evaluate.curves import ranking
from fairlead.lab.evaluate.evidence import Comparison, Importance, Report
from fairlead.lab.stats.grouping import shape_metrics, silhouettes
from fairlead.lab.stats.intervals import bootstrap, metric_intervals, percentile, resamples
from fairlead.lab.stats.measures import Floats, Ints, metrics, weighted_metrics
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.stats.strangeness import rank_agreement

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.runtime.bundle import Model

DRAWS, DRAWS_OF_MANY, MANY_ROWS = 1000, 200, 50_000
NOTHING = Interval(0.0, 0.0, 0.0)


class Asked(msgspec.Struct):
    """The rows a bundle is judged on, oldest first where there is time."""

    source: Any
    columns: dict[str, Any]
    truth: Any
    times: Any
    scores: Any
    block: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.scores)


def evaluate_untaught(
    model: Model,
    frame: Any,
    settings: Settings,
    *,
    champion: Model | None,
    times: Floats | None,
    parity: dict[str, Any] | None,
    leaderboard: Sequence[dict[str, Any]] | None,
    switched_off: tuple[str, ...],
) -> Report:
    """See `judging.evaluate`: for a clustering or an anomaly detection. Rows without a truth are judged, too."""
    signature = model.signature
    if not signature.target and settings.model.target:
        signature = msgspec.structs.replace(signature, target=settings.model.target)
    asked = asked_rows(model, frame, settings, signature, times)
    seed = settings.train.seed
    of_task = _clusters if signature.task == "clustering" else _anomalies
    found, loss, baselines, curves, notes = of_task(model, signature, asked, seed)
    board = tuple(leaderboard or ())
    held = next((row["stability"] for row in board if "stability" in row), None)
    if held is not None:
        found["stability"] = Interval(held, held, held)
    against = None if champion is None else _against(champion, signature, asked, seed)
    if champion is not None and against is None:
        notes.append("Nothing says which of this and the model in use is better: there are no labels to compare by.")
    return Report(
        model=settings.model.name,
        bundle=model.id,
        task=signature.task,
        target=signature.target,
        rows=asked.rows,
        metrics=found,
        loss=loss,
        baselines=baselines,
        learner=model.manifest.lineage.learner,
        classes=signature.classes,
        positive=signature.positive,
        threshold=signature.threshold,
        start=0.0 if asked.times is None else float(asked.times[0]),
        end=0.0 if asked.times is None else float(asked.times[-1]),
        block=asked.block,
        champion=against,
        curves=curves,
        importance=shuffled_answers(model, asked, seed),
        parity=parity,
        leaderboard=board,
        notes=tuple(notes),
        switched_off=switched_off,
    )


def asked_rows(model: Model, frame: Any, settings: Settings, signature: Signature, times: Floats | None) -> Asked:
    """All rows of `frame`, answered. Raises InputInvalid for none, ColumnMissing, CellInvalid, ConfigInvalid."""
    from fairlead.lab.tables import columns_of, event_times, open_table, target_of

    rules = settings.model
    source: pd.DataFrame = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    if not len(source):
        raise InputInvalid("there is no row to judge on")
    if times is None and rules.time_columns and set(rules.time_columns) <= set(source.columns):
        times = event_times(source, rules.time_columns, rules.timezone)
    if times is not None:
        order = np.argsort(times, kind="stable")
        source, times = source.iloc[order].reset_index(drop=True), times[order]
    columns = columns_of(source, signature, zone=rules.timezone, invalid="missing")
    return Asked(
        source=source,
        columns=columns,
        truth=target_of(source, signature),
        times=times,
        scores=np.asarray(model.score_columns(columns), dtype=np.float64),
        block=block_rows(len(source), times, settings.monitor.window),
    )


Found = tuple[dict[str, Interval], Interval, tuple[Comparison, ...], dict[str, Any], list[str]]


def _anomalies(model: Model, signature: Signature, asked: Asked, seed: int) -> Found:
    draws = DRAWS_OF_MANY if asked.rows > MANY_ROWS else DRAWS
    found = metric_intervals(
        "anomaly", asked.truth, asked.scores, signature, draws=draws, seed=seed, block=asked.block
    )  # fmt: skip
    score = asked.scores[:, 0]
    counts, edges = np.histogram(score, 30)
    curves: dict[str, Any] = {"scores": {"counts": counts.tolist(), "edges": [float(e) for e in edges]}}
    known = np.isfinite(asked.truth)
    area = found.get("roc_auc")
    if area is None:
        why = "no row says whether it is an anomaly" if not known.any() else "the labels are all of one kind"
        notes = [
            f"Judged without labels ({why}): how often rows are flagged is known, and not whether rightly. "
            "Label some rows, flagged ones and others, and judge again."
        ]
        return found, NOTHING, (), curves, notes
    event = asked.truth[known] > 0.5
    curves["ranking"] = [{"class": signature.positive or "anomaly", **ranking(event, score[known])}]
    loss = Interval(1.0 - area.value, 1.0 - area.high, 1.0 - area.low)
    apart = Interval(loss.value - 0.5, loss.low - 0.5, loss.high - 0.5)
    share = float(event.mean())
    chance = Comparison("chance", {"roc_auc": 0.5, "pr_auc": share, "precision_at_k": share}, 0.5, apart)
    notes = [] if known.all() else [f"{int((~known).sum()):,} rows do not say whether they are anomalies."]
    return found, loss, (chance,), curves, notes


def _clusters(model: Model, signature: Signature, asked: Asked, seed: int) -> Found:
    features = np.asarray(model.front.encode(asked.columns), dtype=np.float64)
    clusters: Ints = asked.scores.argmax(axis=1).astype(np.int64)
    shape = shape_metrics(features, clusters, seed)
    found = {name: Interval(value, value, value) for name, value in shape.items()}
    own = silhouettes(features, clusters, seed)
    curves = {"sizes": np.bincount(clusters, minlength=len(signature.classes)).tolist()}
    notes = ["Silhouette and its kin are of groups that are round; groups of other shapes may be good and score low."]
    baselines: tuple[Comparison, ...] = ()
    loss = NOTHING
    if len(own):
        found["silhouette"] = bootstrap(own, seed=seed)
        loss = bootstrap((1.0 - own) / 2.0, seed=seed)
        baselines = _no_structure(model, signature, asked, own, seed)
    else:
        notes.append("All rows are in one cluster, so there is nothing to say of its shape.")
    known = np.array([value is not None for value in asked.truth], dtype=bool)
    if known.any():
        found |= metric_intervals(
            "clustering", asked.truth[known], asked.scores[known], signature, draws=DRAWS_OF_MANY, seed=seed,
            block=asked.block,
        )  # fmt: skip
    return found, loss, baselines, curves, notes


def _no_structure(model: Model, signature: Signature, asked: Asked, own: Floats, seed: int) -> tuple[Comparison, ...]:
    from sklearn.cluster import KMeans

    kinds = len(np.unique(asked.scores.argmax(axis=1)))
    random = np.random.default_rng([seed, 11])
    rows = min(asked.rows, len(own))
    drawn = {}
    for column in signature.columns:
        values = asked.columns[column.name]
        if column.numeric and column.kind not in ("boolean", "time"):
            low, high = np.nanmin(values), np.nanmax(values)
            even = random.uniform(low, high, rows) if np.isfinite(low) else np.full(rows, np.nan)
            gaps = np.isnan(values[random.integers(0, len(values), rows)])
            drawn[column.name] = np.where(gaps, np.nan, even)
        else:
            drawn[column.name] = values[random.integers(0, len(values), rows)]
    features = np.asarray(model.front.encode(drawn), dtype=np.float64)
    found = KMeans(kinds, n_init=3, random_state=seed).fit_predict(features).astype(np.int64)
    theirs = silhouettes(features, found, seed)
    if len(theirs) != len(own):
        return ()
    difference = bootstrap((theirs - own) / 2.0, seed=seed)
    loss = float((1.0 - theirs).mean() / 2.0)
    return (Comparison("no_structure", {"silhouette": float(theirs.mean())}, loss, difference),)


def _against(champion: Model, signature: Signature, asked: Asked, seed: int) -> Comparison | None:
    """The difference of 1 - roc_auc on the same labelled rows; None where there is nothing to compare by."""
    from fairlead.lab.tables import columns_of

    if signature.task != "anomaly" or champion.signature.task != "anomaly":
        return None
    columns = columns_of(asked.source, champion.signature, zone=champion.signature.timezone, invalid="missing")
    theirs = np.asarray(champion.score_columns(columns), dtype=np.float64)
    found = metrics("anomaly", asked.truth, theirs, champion.signature)
    ours = metrics("anomaly", asked.truth, asked.scores, signature)
    if "roc_auc" not in found or "roc_auc" not in ours:
        return None
    drawn = [
        weighted_metrics("anomaly", asked.truth, theirs, champion.signature, weights)["roc_auc"]
        - weighted_metrics("anomaly", asked.truth, asked.scores, signature, weights)["roc_auc"]
        for weights in resamples(asked.rows, DRAWS_OF_MANY, seed, asked.block)
    ]
    difference = percentile(found["roc_auc"] - ours["roc_auc"], np.concatenate(drawn))
    return Comparison("champion", found, 1.0 - found["roc_auc"], difference)


def shuffled_answers(model: Model, asked: Asked, seed: int) -> tuple[Importance, ...]:
    """How much the answers change when one column is shuffled, largest first: of an anomaly detection 1 less the rank
    correlation of scores, of a clustering the share of rows that change their group. On at most 2,000 rows.
    """
    random = np.random.default_rng([seed, 3])
    rows = np.arange(asked.rows)
    if len(rows) > IMPORTANCE_ROWS:
        rows = np.sort(random.choice(rows, IMPORTANCE_ROWS, replace=False))
    columns = {name: values[rows] for name, values in asked.columns.items()}
    before = asked.scores[rows]
    made = []
    for name in model.signature.names:
        moved = []
        for _ in range(IMPORTANCE_REPEATS):
            shuffled = {**columns, name: columns[name][random.permutation(len(rows))]}
            after = np.asarray(model.score_columns(shuffled), dtype=np.float64)
            moved.append(
                1.0 - rank_agreement(before[:, 0], after[:, 0])
                if model.signature.task == "anomaly"
                else float((before.argmax(axis=1) != after.argmax(axis=1)).mean())
            )
        mean, half = float(np.mean(moved)), 2.776 * float(np.std(moved, ddof=1)) / float(np.sqrt(len(moved)))
        made.append(Importance(name, Interval(mean, mean - half, mean + half)))
    return tuple(sorted(made, key=lambda i: -i.rise.value))
