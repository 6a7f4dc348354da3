"""Early stopping: how many rounds are worth it, found on rows held back, before the fit of all rows makes so many.

A library's own early stopping would draw the rows it holds back at random, which in time order are the wrong ones,
and would never learn from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.pinball import pinball

HELD_BACK = 0.15
FEWEST = 20
"""Rows to hold back below which rounds are not sought."""
MOST_ROUNDS = 1000
EVERY = 10
"""Rounds between two looks at what has been gained."""
AT_ONCE = 50
"""Rounds that are made before they are looked at."""


@dataclass(frozen=True)
class Part:
    """Rows of a fit. features: (n, f); truth: (n,); weights: (n,)."""

    features: Any
    truth: np.ndarray
    weights: Floats


def parted(
    features: Any,
    truth: np.ndarray,
    weights: Floats | None,
    classifies: bool,
    ordered: bool,
    seed: int,
    clusters: Ints | None = None,
) -> tuple[Part, Part] | None:
    """Rows to learn from and rows to judge rounds by: the newest where rows are in order of time, else drawn, of a
    ranking whole groups. clusters: the group of each row (n,).

    None where there are too few, or a class would be missing among the former.
    """
    wanted = int(len(truth) * HELD_BACK)
    if wanted < FEWEST:
        return None
    held = np.zeros(len(truth), dtype=bool)
    if ordered:
        held[-wanted:] = True
    elif clusters is not None:
        order = np.random.default_rng([seed, 9]).permutation(np.unique(clusters))
        sizes = np.bincount(clusters)[order]
        held = np.isin(clusters, order[: int(np.searchsorted(np.cumsum(sizes), wanted)) + 1])
        if held.all():
            return None
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


def best_rounds(looks: Iterable[tuple[int, float]], patience: int) -> int:
    """The rounds after which the loss was least. looks: (rounds, loss), ascending, made as they are asked for.

    It ends when `patience` rounds have gained nothing.
    """
    best, least = EVERY, float("inf")
    for rounds, loss in looks:
        if loss < least:
            best, least = rounds, loss
        elif rounds - best >= patience:
            break
    return best


def loss_on(part: Part, classes: np.ndarray | None, quantile: float | None = None) -> Callable[[Floats], float]:
    """The weighted loss of answers to those rows: of shares of `classes` their logarithm, of numbers their square; of
    a quantile the pinball loss.
    """
    if quantile is not None:
        return lambda answers: float(np.average(pinball(part.truth, answers, quantile), weights=part.weights))
    if classes is None:
        return lambda answers: float(np.average((answers - part.truth) ** 2, weights=part.weights))
    every, place = np.arange(len(part.truth)), np.searchsorted(classes, part.truth)

    def loss(shares: Floats) -> float:
        return float(-np.average(np.log(np.clip(shares[every, place], 1e-15, 1.0)), weights=part.weights))

    return loss


def warm_rounds(estimator: Any, learned: Part, judged: Part, classifies: bool, patience: int) -> int:
    """Rounds of an estimator of scikit-learn's that goes on where it was (`warm_start`, `max_iter`)."""
    estimator.set_params(warm_start=True)

    def looks() -> Iterator[tuple[int, float]]:
        # Going on costs as much as all rounds before, so it is done seldom, and looks are taken in between.
        for done in range(0, MOST_ROUNDS, AT_ONCE):
            estimator.set_params(max_iter=done + AT_ONCE)
            estimator.fit(learned.features, learned.truth, sample_weight=learned.weights)
            loss = loss_on(judged, np.asarray(estimator.classes_) if classifies else None, _quantile_of(estimator))
            staged = estimator.staged_predict_proba if classifies else estimator.staged_predict
            for rounds, answers in enumerate(staged(judged.features), start=1):
                if rounds > done and rounds % EVERY == 0:
                    yield rounds, loss(np.asarray(answers, dtype=np.float64))

    return best_rounds(looks(), patience)


def _quantile_of(estimator: Any) -> float | None:
    return float(estimator.quantile) if getattr(estimator, "loss", "") == "quantile" else None


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
