"""The same rows answered in other ways: baselines, the champion, columns shuffled, groups, windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.evidence import Comparison, Importance
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.baselines import constant_scores, last_value_scores
from fairlead.lab.stats.further import further_metrics
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats, class_codes, metrics
from fairlead.lab.stats.spans import spans_of

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

IMPORTANCE_ROWS = 2000
IMPORTANCE_REPEATS = 5


def compared(judged: Judged, name: str, scores: Floats, seed: int) -> Comparison:
    """Another way's scores (n, outputs) against the bundle's, row by row."""
    task, signature = judged.signature.task, judged.signature
    theirs = losses(task, judged.truth, scores, signature, judged.clip)
    return Comparison(
        name=name,
        metrics=metrics(task, judged.truth, scores, signature) | further_metrics(task, judged.truth, scores, signature),
        loss=float(theirs.mean()),
        difference=bootstrap(judged.loss - theirs, seed=seed, block=judged.block),
    )


def against_baselines(judged: Judged, seed: int) -> tuple[Comparison, ...]:
    """The best constant, and with time the row before.

    The constant is that of the judged rows themselves, which is the hardest one to beat: no constant fitted
    elsewhere has a smaller squared loss on them.
    """
    task, classes = judged.signature.task, judged.signature.classes
    truth = class_codes(judged.truth, classes) if task == "classification" else judged.truth
    known = truth[truth >= 0] if task == "classification" else truth
    quantile = judged.signature.quantile
    name = "most_frequent" if task == "classification" else "constant_quantile" if quantile else "mean"
    found = [compared(judged, name, constant_scores(task, known, judged.rows, len(classes), quantile), seed)]
    if judged.times is not None and judged.rows > 1 and len(known) == judged.rows:
        # The first row has none before it; its own truth stands in, one row among many.
        found.append(
            compared(judged, "last_value", last_value_scores(task, truth, truth, len(classes), first=truth[:1]), seed)
        )
    return tuple(found)


def against_champion(judged: Judged, champion: Model, seed: int) -> Comparison:
    """The champion on the same rows, losses by the champion's clip, since its promise is what is in force."""
    theirs = judged.answered_by(champion)
    if judged.signature.task == "classification" and champion.signature.classes != judged.signature.classes:
        theirs = _reordered(theirs, champion.signature.classes, judged.signature.classes)
    return compared(judged.with_clip(champion.reference.loss_clip), "champion", theirs, seed)


def _reordered(scores: Floats, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Floats:
    table = np.zeros((len(scores), len(ours)))
    for i, name in enumerate(ours):
        if name in theirs:
            table[:, i] = scores[:, theirs.index(name)]
    return table


def importances(judged: Judged, seed: int) -> tuple[Importance, ...]:
    """Rise of the mean loss when one column is shuffled, largest first; on at most 2,000 rows, five shuffles each.

    Columns that say the same share their importance: each alone may look needless.
    Source: Breiman, Random forests (2001).
    """
    random = np.random.default_rng([seed, 3])
    rows = judged.rows
    chosen = np.sort(random.choice(rows, IMPORTANCE_ROWS, replace=False)) if rows > IMPORTANCE_ROWS else np.arange(rows)
    columns = {name: values[chosen] for name, values in judged.columns.items()}
    truth, before = judged.truth[chosen], float(judged.loss[chosen].mean())
    signature = judged.signature
    orders = [random.permutation(len(chosen)) for _ in range(IMPORTANCE_REPEATS)]
    found = []
    for name in signature.names:
        rises = []
        for order in orders:
            shuffled = {**columns, name: columns[name][order]}
            scores = np.asarray(judged.model.score_columns(shuffled), dtype=np.float64)
            rises.append(float(losses(signature.task, truth, scores, signature, judged.clip).mean()) - before)
        mean = float(np.mean(rises))
        half = 2.776 * float(np.std(rises, ddof=1)) / np.sqrt(len(rises))  # Student's t, 4 degrees of freedom, 95 %
        found.append(Importance(name, Interval(mean, mean - float(half), mean + float(half))))
    return tuple(sorted(found, key=lambda i: -i.rise.value))


def by_window(judged: Judged, window: str) -> tuple[dict[str, Any], ...]:
    """Every metric of each window of the project, oldest first; nothing without time."""
    if judged.times is None:
        return ()
    signature = judged.signature
    made = []
    for span in spans_of(judged.rows, judged.times, window):
        rows = slice(span.first, span.last)
        found = metrics(signature.task, judged.truth[rows], judged.scores[rows], signature)
        loss = float(judged.loss[rows].mean())
        made.append(
            {"start": span.start, "end": span.end, "rows": span.last - span.first, "loss": loss, "metrics": found}
        )
    return tuple(made)
