"""Hoeffding trees (river): a leaf is split once its rows say surely enough by what, and a branch that has begun to err
is replaced by a younger one (Domingos and Hulten, 2000; Bifet and Gavaldà, Adaptive learning from evolving data
streams, 2009).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.distributed.answering import of_trees
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.streaming.online_line import codes_of, dicts, passes_for


class _Tree(BaseEstimator):  # type: ignore[misc]
    """grace: rows of a leaf between looks at it; sure: allowed error of a split; depth: at most."""

    def __init__(self, grace: int = 100, sure: float = 1e-4, depth: int = 12, random_state: int = 0) -> None:
        self.grace, self.sure, self.depth, self.random_state = grace, sure, depth, random_state

    def tree_sum(self) -> TreeSum:
        """The tree now, as numbers; a younger branch that has not yet replaced another does not answer."""
        classes = len(getattr(self, "classes_", ()))
        targets = classes if classes > 2 else 1
        nodes, links = [self.model_._root], [(0, 0)]
        for at, node in enumerate(nodes):
            if hasattr(node, "threshold"):
                links[at] = (len(nodes), len(nodes) + 1)
                nodes += list(node.children)
                links += [(0, 0), (0, 0)]
        split = [hasattr(node, "threshold") for node in nodes]
        values = np.array([self._value(node, classes) for node in nodes], dtype=np.float64).reshape(len(nodes), -1)
        shape: dict[str, Any] = {
            "leaf": ~np.array(split),
            "feature": np.array([int(n.feature) if s else 0 for n, s in zip(nodes, split, strict=True)]),
            "threshold": np.array([float(n.threshold) if s else 0.0 for n, s in zip(nodes, split, strict=True)]),
            "left": np.array([left for left, _ in links]),
            "right": np.array([right for _, right in links]),
            "missing_left": np.zeros(len(nodes), dtype=bool),
        }
        trees = [TreeTable(**shape, value=values[:, target], target=target) for target in range(targets)]
        return TreeSum(trees, targets, np.zeros(targets), "second" if classes == 2 else "identity")

    def _value(self, node: Any, classes: int) -> Any:
        """What a leaf answers: shares of classes, each with a row more than it has seen; or the mean."""
        if not classes:
            return self.mean_ if node.stats is None else float(node.stats.mean.get())
        seen = node.stats or {}
        counts = np.array([float(seen.get(code, 0.0)) for code in range(classes)]) + 1.0
        shares = counts / counts.sum()
        return shares[1] if classes == 2 else shares

    def _learned(self, features: Any, aims: list[Any], weights: Any) -> None:
        own = [1.0] * len(aims) if weights is None else np.asarray(weights, dtype=np.float64).tolist()
        for x, aim, weight in zip(dicts(features), aims, own, strict=True):
            if weight > 0.0:
                self.model_.learn_one(x, aim, w=weight)

    def _rules(self) -> dict[str, Any]:
        library("river", "drift")
        return {
            "grace_period": self.grace, "delta": self.sure, "max_depth": self.depth, "binary_split": True,
            "seed": self.random_state, "bootstrap_sampling": False,
        }  # fmt: skip


class OnlineTreeClassifier(ClassifierMixin, _Tree):  # type: ignore[misc]
    """Shares of classes. classes_: labels, all of which must be known at first."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Begin, and learn these rows in their order. features: (n, f); truth: (n,) labels. Raises MissingExtra."""
        rules = self._rules()
        from river import tree

        self.classes_, self.n_features_in_ = np.unique(np.asarray(truth)), int(np.shape(features)[1])
        self.model_ = tree.HoeffdingAdaptiveTreeClassifier(leaf_prediction="mc", **rules)
        for _ in range(passes_for(len(np.asarray(truth)))):
            self.learn(features, truth, sample_weight)
        return self

    def learn(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Take these rows, too, one after the other. Raises ValueError for a class that `fit` had not seen."""
        self._learned(features, codes_of(truth, self.classes_).tolist(), sample_weight)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities, (n, classes)."""
        return of_trees(self.tree_sum(), features)

    def predict(self, features: Any) -> Any:
        """Labels, (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class OnlineTreeRegressor(RegressorMixin, _Tree):  # type: ignore[misc]
    """A number: the mean of a leaf."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Begin, and learn these rows in their order. features: (n, f); truth: (n,). Raises MissingExtra."""
        rules = self._rules()
        from river import tree

        y = np.asarray(truth, dtype=np.float64)
        self.n_features_in_, self.mean_ = int(np.shape(features)[1]), float(y.mean())
        self.model_ = tree.HoeffdingAdaptiveTreeRegressor(leaf_prediction="mean", **rules)
        for _ in range(passes_for(len(y))):
            self.learn(features, y, sample_weight)
        return self

    def learn(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Take these rows, too, one after the other."""
        self._learned(features, np.asarray(truth, dtype=np.float64).tolist(), sample_weight)
        return self

    def predict(self, features: Any) -> Floats:
        """Numbers, (n,)."""
        return of_trees(self.tree_sum(), features)[:, 0]
