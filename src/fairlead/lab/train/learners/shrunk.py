"""A model of another learner, made smaller after its fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats

Memory = MutableMapping[str, Any]
MOST_KEPT = 32
"""Fitted models that a memory holds; the one that was not asked for longest goes first."""
PASSED = ("keep", "watch", "layout")


class Rows(NamedTuple):
    """Rows of a fit, for what goes on learning. features: (n, f); truth, weights: (n,), the latter None if all weigh
    the same.
    """

    features: Floats
    truth: np.ndarray
    weights: Floats | None


class Shrunk:
    """What is fitted, sealed and served is the source's model after some steps of the port `shrinker`.

    source: name of a learner; source_parameters: its own; steps: {"way": name, ...} in turn, each with what its
    shrinker asks. memory: models fitted before, so that trials of many steps fit their source once; None keeps none.
    """

    name = "shrunk"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """In which form the weights of a network are kept."""
        form = trial.suggest_categorical("form", ["float32", "float16", "int8"])
        return {**self.default(rows), "steps": [{"way": "stored", "form": form}]}

    def default(self, rows: int) -> dict[str, Any]:
        """A network with weights of eight bits."""
        source = variant("learner", "mlp")().default(rows)
        return {"source": "mlp", "source_parameters": source, "steps": [{"way": "stored", "form": "int8"}]}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """What fits the source and gives back the smaller model."""
        source = variant("learner", parameters["source"])()
        estimator = source.build(task, parameters["source_parameters"], seed)
        return Shrinking(source, estimator, dict(parameters), seed, self.memory)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """As many rounds as the source finds worth it."""
        seek = getattr(estimator.learner, "seek_rounds", None)
        if seek is None:
            return {}
        own = estimator.parameters["source_parameters"]
        return {"source_parameters": {**own, **seek(estimator.estimator, learned, judged, classifies, patience)}}


class Shrinking:
    """An unfitted source and the steps after it; `fit` gives back what is left."""

    def __init__(
        self,
        learner: Any,
        estimator: Any,
        parameters: dict[str, Any],
        seed: int,
        memory: Memory | None,
    ) -> None:
        self.learner, self.estimator, self.parameters = learner, estimator, parameters
        self.seed, self.memory = seed, memory

    def __getattr__(self, name: str) -> Any:
        # What long fits are told is for the source.
        if name in (*PASSED, "set_params"):
            return getattr(self.__dict__["estimator"], name)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in PASSED:
            setattr(self.estimator, name, value)
        else:
            super().__setattr__(name, value)

    def fit(self, features: Any, truth: np.ndarray, sample_weight: Floats | None = None) -> Any:
        """The source fitted, then each step. features: (n, f); truth, sample_weight: (n,). Raises UsageError for
        weights that the source does not take, NotCompilable for a step that does not fit the model.
        """
        rows = Rows(np.ascontiguousarray(features, dtype=np.float64), truth, sample_weight)
        so_far = [self.parameters["source"], self.parameters["source_parameters"], self.seed, _digest(rows)]
        fitted = self._known(so_far, lambda: self._source(rows))
        for step in self.parameters["steps"]:
            so_far = [*so_far, step]
            shrinker, before = variant("shrinker", step["way"])(), fitted
            fitted = self._known(so_far, lambda: shrinker.shrink(before, rows, step, self.seed))  # noqa: B023
        return fitted

    def _source(self, rows: Rows) -> Any:
        from sklearn.utils.validation import has_fit_parameter

        if rows.weights is None:
            return self.estimator.fit(rows.features, rows.truth)
        if not has_fit_parameter(self.estimator, "sample_weight"):
            raise UsageError(f"{self.parameters['source']} cannot weigh rows or classes.")
        return self.estimator.fit(rows.features, rows.truth, sample_weight=rows.weights)

    def _known(self, key: list[Any], make: Any) -> Any:
        if self.memory is None:
            return make()
        name = json.dumps(key, sort_keys=True, default=str)
        found = self.memory.pop(name) if name in self.memory else make()
        while len(self.memory) >= MOST_KEPT:
            self.memory.pop(next(iter(self.memory)))
        self.memory[name] = found
        return found


def _digest(rows: Rows) -> str:
    found = hashlib.sha256(rows.features.tobytes())
    found.update(repr(rows.features.shape).encode())
    found.update(np.asarray(rows.truth).astype(str).tobytes() if rows.truth.dtype == object else rows.truth.tobytes())
    found.update(b"" if rows.weights is None else rows.weights.tobytes())
    return found.hexdigest()
