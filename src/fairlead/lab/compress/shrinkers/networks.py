"""Which subjects are networks whose layers are at hand, and the layers of one that was fitted."""

from __future__ import annotations

from typing import Any

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compress.subject import Subject
from fairlead.lab.train.estimators.compact_network import compact

LEARNERS = ("mlp", "neural_net")


def is_network(subject: Subject) -> bool:
    """Whether its fitted model is layers."""
    return subject.learner in LEARNERS


def network_of(fitted: Any) -> Any:
    """The fitted model as a compact network. Raises NotCompilable."""
    found = compact(fitted)
    if found is None:
        raise NotCompilable(f"{type(fitted).__name__} is no network of layers that could be made smaller.")
    return found
