"""One fit of one learner on prepared features, on the project's terms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.augmenting import augmented
from fairlead.lab.train.layout import check_reads
from fairlead.lab.train.stopping import parted, with_best_rounds
from fairlead.lab.train.terms import FILE, Terms


def learn(
    learner: Any,
    task: Task,
    parameters: Mapping[str, Any],
    seed: int,
    features: Any,
    truth: np.ndarray,
    *,
    weights: Floats | None = None,
    signs: Sequence[int] | None = None,
    terms: Terms | None = None,
    ordered: bool = False,
) -> Any:
    """The learner's estimator, fitted.

    features: (n, f); truth: (n,); weights: (n,) of rows, None where all weigh the same; signs: see `terms.signs_of`.
    terms: of the project; ordered: rows are in order of time.
    Raises ConfigInvalid where the learner cannot do what is asked of it.
    """
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    quantile = None if terms is None else terms.quantile

    def built(chosen: Mapping[str, Any]) -> Any:
        estimator = learner.build(task, chosen, seed)
        if quantile is not None:
            estimator = learner.at_quantile(estimator, quantile)
        return estimator if signs is None else learner.constrain(estimator, signs)

    terms = terms or Terms()
    estimator = built(parameters)
    check_reads(learner, terms.layout)
    _watched(learner, estimator, terms, ordered)
    if weights is not None:
        _weighed(learner, estimator, weights)
    with warnings.catch_warnings():
        # A trial that is stopped before it has converged is judged by what it answers.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if terms.patience and hasattr(learner, "seek_rounds"):
            parts = parted(features, truth, weights, task == "classification", ordered, seed, terms.clusters)
            chosen = with_best_rounds(
                learner, built(parameters), parameters, parts, task == "classification", terms.patience
            )
            estimator = built(chosen)
        if terms.augment is not None and not hasattr(estimator, "augment"):
            features, truth, weights = augmented(features, truth, weights, terms.augment, task, seed, terms.layout)
        if terms.mitigation is not None:
            from fairlead.lab.train.evening import evened

            return evened(
                lambda: clone(estimator), learner.name, terms.mitigation, features, truth,
                groups=terms.groups, weights=weights, seed=seed,
            )  # fmt: skip
        more = {} if weights is None else {"sample_weight": _weighed(learner, estimator, weights)}
        return estimator.fit(features, truth, **more)


def _watched(learner: Any, estimator: Any, terms: Terms, ordered: bool) -> None:
    """Tell an estimator that learns pass by pass the order of its rows, where to keep passes, and whom to tell."""
    if hasattr(estimator, "keep") and hasattr(estimator, "watch"):
        estimator.keep, estimator.watch = terms.keep, terms.watch
        estimator.set_params(ordered=ordered, **({"patience": terms.patience} if terms.patience else {}))
    if hasattr(estimator, "clusters"):
        estimator.clusters = terms.clusters
    if hasattr(estimator, "layout"):
        estimator.layout = terms.layout
    if hasattr(estimator, "augment"):
        # It makes such rows itself: of what it learns from, once it has set aside those that it stops by.
        estimator.augment, estimator.synonyms = terms.augment, terms.words()
    if terms.transferred is not None and terms.transferred.learner == learner.name:
        estimator.begin = terms.transferred


def _weighed(learner: Any, estimator: Any, weights: Floats) -> Floats:
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(estimator, "sample_weight"):
        raise ConfigInvalid(
            f"{learner.name} cannot weigh rows or classes.",
            file=FILE, key="train.weight, train.class_weight or train.augment",
            cure="Take it out of [train] learners.",
        )  # fmt: skip
    return weights
