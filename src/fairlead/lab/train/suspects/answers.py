"""Out-of-fold answers of the project's own learners, for judging rows rather than learners."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints, metrics
from fairlead.lab.tables.quality.hashing import row_hashes
from fairlead.lab.train.fitting import fit, learner_of, scores_of
from fairlead.lab.train.material import Material
from fairlead.lab.train.suspects.contradictions import _rounded

FOLDS = 5
_MOST_LEARNERS = 3
DEFAULT = {"classification": ("logistic", "hist_gradient_boosting"), "regression": ("hist_gradient_boosting",)}
JUDGED_BY = {"classification": "log_loss", "regression": "mae"}


class Answers(NamedTuple):
    """scores: (rows, outputs) out of fold, of the learner that did best; fold: (rows,) which fold judged a row."""

    scores: Floats
    fold: Ints
    learner: str
    value: float


def out_of_fold(material: Material, learners: tuple[str, ...], seed: int, say: Any) -> Answers:
    """Answers to every row by models that saw neither it nor a copy of it.

    learners: at most three that can do the task, with their default parameters. Folds are dealt at random, not by
    time: a row is compared with what is known of all others, before and after. Copies share a fold.
    """
    task, signature = material.signature.task, material.signature
    fold = folds_of_copies(material, FOLDS, seed)
    best: Answers | None = None
    judged_by = "pinball" if signature.quantile else JUDGED_BY[task]
    usual = DEFAULT[task] if not signature.quantile else ("hist_gradient_boosting",)
    chosen = [n for n in learners if task in learner_of(n).tasks][:_MOST_LEARNERS] or list(usual)
    for number, name in enumerate(chosen):
        scores = np.full((material.rows, len(signature.outputs)), np.nan)
        parameters = learner_of(name).default(material.rows)
        for f in range(FOLDS):
            say(f"{name}, fold {f + 1} of {FOLDS}", done=0.3 + 0.3 * (number + f / FOLDS) / len(chosen))
            fitted = fit(material, name, parameters, seed, np.flatnonzero(fold != f))
            judged = np.flatnonzero(fold == f)
            scores[judged] = scores_of(fitted, material.frame.iloc[judged], signature)
        value = float(metrics(task, material.truth, scores, signature)[judged_by])
        if best is None or value < best.value:
            best = Answers(scores, fold, name, value)
    assert best is not None
    return best


def folds_of_copies(material: Material, folds: int, seed: int) -> Ints:
    """Random folds, classes in proportion, rows that round to the same together. Shape (rows,)."""
    same = row_hashes([_rounded(values) for values in material.columns.values()])
    groups = np.unique(same, return_inverse=True)[1]
    if material.clusters is not None:
        groups = _joined(groups, material.clusters)
    random = np.random.default_rng([seed, 11])
    if material.signature.task != "classification":
        return np.asarray((random.permutation(groups.max() + 1) % folds)[groups])
    # A group goes where its first row's class is dealt next.
    first = np.unique(groups, return_index=True)[1]
    dealt = np.empty(len(first), dtype=np.int64)
    codes = material.codes()[first]
    for at, code in enumerate(np.unique(codes)):
        members = random.permutation(np.flatnonzero(codes == code))
        dealt[members] = (np.arange(len(members)) + at) % folds
    return np.asarray(dealt[groups])


def _joined(first: Ints, second: Ints) -> Ints:
    """Groups that hold all rows which share a group of either kind, however many steps apart. Shape (rows,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(first.max()) + int(second.max()) + 2
    links = coo_array((np.ones(len(first)), (first, second + int(first.max()) + 1)), shape=(size, size))
    return np.asarray(np.unique(connected_components(links, directed=False)[1][first], return_inverse=True)[1])
