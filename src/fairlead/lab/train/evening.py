"""One fit that evens out groups: by many models, or by thresholds of groups from out-of-fold answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.estimators.combined import Combined, log_odds
from fairlead.lab.train.exponentiating import exponentiated
from fairlead.lab.train.group_thresholds import fit_thresholds
from fairlead.lab.train.mitigating import Mitigation

FOLDS = 3


def evened(
    build: Callable[[], Any],
    learner: str,
    mitigation: Mitigation,
    features: Any,
    truth: np.ndarray,
    *,
    groups: Ints | None,
    weights: Floats | None,
    seed: int,
) -> Combined:
    """The fitted model. build: gives the learner's unfitted estimator; features: (n, f), of thresholds by groups the
    last of them their marks; truth: (n,) labels; groups: (n,) codes, for the exponentiated gradient.
    """
    given = np.asarray(features, dtype=np.float64)
    if mitigation.rules.by == "exponentiated_gradient":
        assert groups is not None
        return exponentiated(build(), learner, mitigation, given, truth, groups)
    return _thresholded(build, mitigation, given, truth, weights, seed)


def _thresholded(
    build: Callable[[], Any],
    mitigation: Mitigation,
    given: Floats,
    truth: np.ndarray,
    weights: Floats | None,
    seed: int,
) -> Combined:
    count = len(mitigation.marks)
    own, marks = given[:, :-count], given[:, -count:]
    event = truth == mitigation.positive
    told = event.astype(np.int64)

    def fitted(rows: Ints) -> Any:
        more = {} if weights is None else {"sample_weight": weights[rows]}
        return build().fit(own[rows], told[rows], **more)

    apart = np.full(len(told), np.nan)
    for judged in _dealt(told, seed):
        others = np.setdiff1d(np.arange(len(told)), judged)
        if len(np.unique(told[others])) == 2:
            apart[judged] = log_odds(fitted(others), own[judged])
    codes = np.where(marks.any(axis=1), marks.argmax(axis=1), -1)
    rules = mitigation.rules
    found = fit_thresholds(
        _sigmoid(apart), event, codes, count, rules.constraint, rules.bound, rules.objective
    )  # fmt: skip
    return Combined(
        members=[fitted(np.arange(len(told)))],
        weights=[1.0],
        classes=mitigation.classes,
        positive=mitigation.positive,
        offsets=(-np.log(found.thresholds / (1.0 - found.thresholds))).tolist(),
    )


def _dealt(told: Ints, seed: int) -> list[Ints]:
    """Rows in three parts of equal shares of both classes."""
    random = np.random.default_rng([seed, 31])
    part = np.empty(len(told), dtype=np.int64)
    for code in (0, 1):
        rows = random.permutation(np.flatnonzero(told == code))
        part[rows] = np.arange(len(rows)) % FOLDS
    return [np.flatnonzero(part == fold) for fold in range(FOLDS)]


def _sigmoid(raw: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = 1.0 / (1.0 + np.exp(-raw))
    return found
