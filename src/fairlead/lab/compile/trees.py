"""Trees, forests and boosted trees of scikit-learn, exactly, as ONNX in double."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.lab.compile.combined import is_combined, refusal, sum_of
from fairlead.lab.compile.encoders import encode
from fairlead.lab.compile.isolation import isolation
from fairlead.lab.compile.lanes import AnyLane
from fairlead.lab.compile.lightgbm_trees import LightGBMTrees, boosted_sum
from fairlead.lab.compile.tree_sums import Link, TreeSum, onnx_of
from fairlead.lab.compile.tree_tables import boosted_trees, forest_trees, histogram_trees
from fairlead.runtime.bundle.manifest import TAIL_ONNX

FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
GRADIENT = ("GradientBoostingClassifier", "GradientBoostingRegressor")
ISOLATION = ("IsolationForest",)
HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
ADDITIVE = ("AdditiveClassifier", "AdditiveRegressor")
"""Of `lab.train.estimators`: the average of several of HISTOGRAM."""
LINKS: dict[str, Link] = {
    "log_loss": "logistic", "exponential": "half", "squared_error": "identity", "absolute_error": "identity",
    "huber": "identity", "quantile": "identity", "poisson": "exp", "gamma": "exp",
}  # fmt: skip


class Trees:
    """Port `emitter`: TreeEnsemble in double."""

    form = "trees"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if is_combined(estimator):
            return refusal(estimator, _told)
        if module == "fairlead" and name in ADDITIVE:
            return None
        if module != "sklearn" or name not in (*FORESTS, *SINGLE, *GRADIENT, *HISTOGRAM, *ISOLATION):
            return f"{name} is not a tree model that can be compiled"
        if name in ISOLATION and estimator._max_samples < 2:
            return "its trees saw a single row each, so they tell nothing apart"
        if getattr(estimator, "n_outputs_", 1) != 1:
            return "it predicts more than one target"
        if name in GRADIENT and not (
            isinstance(estimator.init_, str) or type(estimator.init_).__name__.startswith("Dummy")
        ):
            return "it starts from an estimator of its own (init), which is not compiled"
        if name in (*GRADIENT, *HISTOGRAM) and estimator.loss not in LINKS:
            return f"loss {str(estimator.loss)[:40]!r} is not known"
        return None

    def prepare(self, estimator: Any, lanes: Sequence[AnyLane]) -> list[AnyLane]:
        """What HistGradientBoosting does to its features: native categories first, by position; then the rest."""
        categorical = getattr(estimator, "is_categorical_", None)
        if categorical is None:
            return list(lanes)
        native = [lane for lane, taken in zip(lanes, categorical, strict=True) if taken]
        rest = [lane for lane, taken in zip(lanes, categorical, strict=True) if not taken]
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        return [*encode(encoder, [1] * len(native), native, type(estimator).__name__), *rest]

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        if is_combined(estimator):
            return onnx_of(sum_of(estimator, features, _of_member), features)
        return onnx_of(_as_sum(estimator), features)


def _told(member: Any) -> str | None:
    """Why a member of a mean is no sum of trees in double; LightGBM's are, as its own emitter reads them."""
    if type(member).__name__ == "LGBMClassifier":
        return LightGBMTrees().accepts(member)
    name = type(member).__name__
    if name in (*HISTOGRAM, *FORESTS, *SINGLE, *ADDITIVE):
        return Trees().accepts(member)
    return f"{name} is not a tree model that can be averaged"


def _of_member(member: Any) -> TreeSum:
    return boosted_sum(member) if type(member).__name__ == "LGBMClassifier" else _as_sum(member)


def _as_sum(estimator: Any) -> TreeSum:
    name = type(estimator).__name__
    if name in ADDITIVE:
        parts = [_as_sum(member) for member in estimator.members_]
        # Each part starts from its own base; their sum is what the average is taken of.
        base = np.sum([part.base for part in parts], axis=0)
        trees = [tree for part in parts for tree in part.trees]
        return TreeSum(trees, parts[0].targets, base, parts[0].link, count=len(parts))
    if name in HISTOGRAM:
        targets = estimator.n_trees_per_iteration_
        base = np.ravel(estimator._baseline_prediction).astype(np.float64)
        return TreeSum(list(histogram_trees(estimator._predictors)), targets, base, _link(estimator.loss, targets))
    if name in GRADIENT:
        stages = estimator.estimators_
        targets = stages.shape[1]
        base = np.ravel(estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32)))
        trees = list(boosted_trees(stages, estimator.learning_rate))
        return TreeSum(trees, targets, base.astype(np.float64), _link(estimator.loss, targets), precision="rounded")
    if name in ISOLATION:
        return isolation(estimator)
    members = [estimator] if name in SINGLE else list(estimator.estimators_)
    classes = int(getattr(estimator, "n_classes_", 0))
    targets = 1 if classes in (0, 2) else classes
    link: Link = "second" if classes == 2 else "identity"
    # scikit-learn compares float32(x) with a float64 threshold; so do we.
    trees = list(forest_trees(members, classes))
    return TreeSum(trees, targets, np.zeros(targets), link, count=len(members), precision="rounded")


def _link(loss: str, targets: int) -> Link:
    return "softmax" if targets > 1 else LINKS[loss]
