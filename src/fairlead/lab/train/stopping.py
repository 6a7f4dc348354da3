"""Early stopping: how many rounds are worth it, found on rows held back, before the fit of all rows makes so many.

A library's own early stopping would draw the rows it holds back at random, which in time order are the wrong ones,
and would never learn from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints

HELD_BACK = 0.15
FEWEST = 20
"""Rows to hold back below which rounds are not sought."""
MOST_ROUNDS = 1000
EVERY = 10
"""Rounds between two looks at what has been gained."""


@dataclass(frozen=True)
class Part:
    """Rows of a fit. features: (n, f); truth: (n,); weights: (n,)."""

    features: Any
    truth: np.ndarray
    weights: Floats


def parted(
    features: Any, truth: np.ndarray, weights: Floats | None, classifies: bool, ordered: bool, seed: int
) -> tuple[Part, Part] | None:
    """Rows to learn from and rows to judge rounds by: the newest where rows are in order of time, else drawn.

    None where there are too few, or a class would be missing among the former.
    """
    wanted = int(len(truth) * HELD_BACK)
    if wanted < FEWEST:
        return None
    held = np.zeros(len(truth), dtype=bool)
    if ordered:
        held[-wanted:] = True
    else:
        held[np.random.default_rng([seed, 9]).permutation(len(truth))[:wanted]] = True
    if classifies and set(truth[~held]) != set(truth):
        return None
    own = np.ones(len(truth)) if weights is None else weights
    if not own[held].any() or not own[~held].any():
        return None

    def part(rows: np.ndarray) -> Part:
        return Part(features[rows], truth[rows], own[rows])

    return part(~held), part(held)


def best_rounds(
    fit_to: Callable[[int], Any], loss: Callable[[Any], float], patience: int, most: int = MOST_ROUNDS
) -> int:
    """The number of rounds after which the loss was least, looked at every ten.

    fit_to: brings the model to so many rounds and returns it. It ends when `patience` rounds have gained nothing.
    """
    best, least, done = EVERY, float("inf"), 0
    while done < most and done - best < max(patience, EVERY):
        done = min(done + EVERY, most)
        found = loss(fit_to(done))
        if found < least:
            best, least = done, found
    return best


def loss_on(part: Part, classifies: bool) -> Callable[[Any], float]:
    """The weighted loss of a fitted estimator on those rows: of shares their logarithm, of numbers their square."""

    def loss(estimator: Any) -> float:
        if not classifies:
            off = np.asarray(estimator.predict(part.features), dtype=np.float64) - part.truth
            return float(np.average(off**2, weights=part.weights))
        shares = np.asarray(estimator.predict_proba(part.features), dtype=np.float64)
        place: Ints = np.searchsorted(np.asarray(estimator.classes_), part.truth)
        hit = np.clip(shares[np.arange(len(shares)), place], 1e-15, 1.0)
        return float(-np.average(np.log(hit), weights=part.weights))

    return loss


def warm_rounds(estimator: Any, learned: Part, judged: Part, classifies: bool, patience: int) -> int:
    """Rounds of an estimator of scikit-learn's that goes on where it was (`warm_start`, `max_iter`)."""
    estimator.set_params(warm_start=True)

    def fit_to(rounds: int) -> Any:
        estimator.set_params(max_iter=rounds)
        return estimator.fit(learned.features, learned.truth, sample_weight=learned.weights)

    return best_rounds(fit_to, loss_on(judged, classifies), patience)


def with_best_rounds(
    learner: Any,
    estimator: Any,
    parameters: Mapping[str, Any],
    parts: tuple[Part, Part] | None,
    classifies: bool,
    patience: int,
) -> dict[str, Any]:
    """The parameters with as many rounds as are worth it; as they are where the learner has none to choose.

    estimator: of the learner, unfitted and constrained as the fit will be; it is used up.
    """
    seek = getattr(learner, "seek_rounds", None)
    if seek is None or parts is None:
        return dict(parameters)
    return {**parameters, **seek(estimator, parts[0], parts[1], classifies, patience)}
