"""One fit of one learner on prepared features, on the project's terms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.terms import FILE


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
) -> Any:
    """The learner's estimator, fitted.

    features: (n, f); truth: (n,); weights: (n,) of rows, None where all weigh the same; signs: see `terms.signs_of`.
    Raises ConfigInvalid where the learner cannot do what is asked of it.
    """
    from sklearn.exceptions import ConvergenceWarning

    estimator = learner.build(task, parameters, seed)
    if signs is not None:
        estimator = learner.constrain(estimator, signs)
    more = {} if weights is None else {"sample_weight": _weighed(learner, estimator, weights)}
    with warnings.catch_warnings():
        # A trial that is stopped before it has converged is judged by what it answers.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(features, truth, **more)


def _weighed(learner: Any, estimator: Any, weights: Floats) -> Floats:
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(estimator, "sample_weight"):
        raise ConfigInvalid(
            f"{learner.name} cannot weigh rows or classes.",
            file=FILE, key="train.weight or train.class_weight", cure="Take it out of [train] learners.",
        )  # fmt: skip
    return weights
