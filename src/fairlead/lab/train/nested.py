"""Nested cross-validation: how well the whole search does, choice included, on rows that no part of it has seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.decisions import SearchFound
from fairlead.contract.evidence import Interval
from fairlead.contract.settings import TrainSettings
from fairlead.lab.train.bench import Bench, selected_by
from fairlead.lab.train.distributed.sessions import Hands
from fairlead.lab.train.fitting import learner_of
from fairlead.lab.train.folding import Fold, folds_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.search import Entry, Say, learners_for, search
from fairlead.lab.train.transferring import beginning


def nested(bench: Bench, chosen: Entry, rules: TrainSettings, say: Say, hands: Hands | None = None) -> SearchFound:
    """Search again in the learning part of every fold, and judge what it chose on the fold's other rows.

    chosen: what the search on all rows chose, whose own score is the naive one: the best of many scores on the same
    folds is better than that model is. In time, inner folds end before outer rows begin. Costs as many searches as
    there are folds, each within `seconds`; none is kept for a later run. hands: see `search`.
    Source: Varma and Simon, Bias in error estimation when using cross-validation for model selection (2006).
    """
    folds: list[dict[str, Any]] = []
    cut_short = False
    outer = bench.first()
    for number, fold in enumerate(outer.folds):
        line, cut = _outer(outer, fold, rules, _part(say, number, len(outer.folds)), hands)
        folds.append(line)
        cut_short = cut_short or cut
    scores = np.array([line["score"] for line in folds])
    honest, naive = float(scores.mean()), chosen.score
    metric = selected_by(bench.material.signature)
    half = _quantile(len(scores)) * float(scores.std(ddof=1)) / np.sqrt(len(scores)) if len(scores) > 1 else 0.0
    interval = Interval(honest, honest - half, honest + half)
    why = (
        f"The whole search has a {metric} of {honest:.4f} [{interval.low:.4f}, {interval.high:.4f}] on rows it had not "
        f"seen (nested); what it chose scored {naive:.4f} on the folds that chose it."
    )
    return SearchFound(metric, naive, interval, honest - naive, why, tuple(folds), cut_short)


def _outer(
    bench: Bench, fold: Fold, rules: TrainSettings, say: Say, hands: Hands | None
) -> tuple[dict[str, Any], bool]:
    material = bench.material.take(fold.fit)
    inner = Bench(material, folds_of(material, rules.folds, rules.seed))
    found = search(
        inner,
        beginning(learners_for(rules.learners, material.signature), material.terms.transferred, material.signature),
        trials=rules.trials,
        seconds=rules.seconds,
        seed=rules.seed,
        journal=Journal(None),
        say=say,
        prune=rules.prune,
        parallel=rules.parallel,
        hands=hands,
    )
    best = found.chosen(rules.choose)
    alone = Bench(bench.material, (fold,))
    score = alone.score(0, alone.answers(0, learner_of(best.name), best.parameters, rules.seed))
    line = {"learner": best.name, "score": score, "inner": best.score, "parameters": best.parameters}
    return line, found.cut_short


def _part(say: Say, number: int, parts: int) -> Say:
    def tell(text: str, done: float = 0.0) -> None:
        say(f"nested, fold {number + 1} of {parts}: {text}", done=(number + done) / parts)

    return tell


def _quantile(count: int) -> float:
    """Student's, of a two-sided 95 % interval of the mean of so many."""
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1))
