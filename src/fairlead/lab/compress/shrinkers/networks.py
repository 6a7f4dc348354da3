"""Which subjects are networks whose layers are at hand, and the layers of one that was fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compress.subject import Subject
from fairlead.lab.train.estimators.chosen_features import choosing
from fairlead.lab.train.estimators.compact_network import compact

LEARNERS = ("mlp", "neural_net")


def is_network(subject: Subject) -> bool:
    """Whether its fitted model is layers."""
    return subject.learner in LEARNERS


def on_network(fitted: Any, rows: Any, act: Callable[[Any, Any], Any]) -> Any:
    """act(network, rows) of the fitted model as a compact network, with the features that it is given.

    Raises NotCompilable for a model that is no network.
    """
    if hasattr(fitted, "chosen_"):
        given = rows._replace(features=np.ascontiguousarray(rows.features[:, fitted.chosen_]))
        return choosing(on_network(fitted.estimator_, given, act), fitted.chosen_, fitted.n_features_in_)
    found = compact(fitted)
    if found is None:
        raise NotCompilable(f"{type(fitted).__name__} is no network of layers that could be made smaller.")
    return act(found, rows)
