"""Trees, forests and boosted trees of scikit-learn, exactly, as ONNX in double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairlead.lab.compile.encoders import encode
from fairlead.lab.compile.lanes import AnyLane
from fairlead.lab.compile.tree_onnx import ensemble, model_bytes
from fairlead.lab.compile.tree_tables import TreeTable, boosted_trees, forest_trees, histogram_trees
from fairlead.runtime.bundle.manifest import TAIL_ONNX

FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
GRADIENT = ("GradientBoostingClassifier", "GradientBoostingRegressor")
HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
LINKS = {
    "log_loss": "logistic", "exponential": "half", "squared_error": "identity", "absolute_error": "identity",
    "huber": "identity", "quantile": "identity", "poisson": "exp", "gamma": "exp",
}  # fmt: skip


@dataclass(frozen=True)
class _Sum:
    """A model as sums of trees: link((trees + base) / count); single: inputs are compared as float32."""

    trees: list[TreeTable]
    targets: int
    base: np.ndarray
    count: int
    link: str
    single: bool


class Trees:
    """Port `emitter`: TreeEnsemble in double."""

    form = "trees"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "sklearn" or name not in (*FORESTS, *SINGLE, *GRADIENT, *HISTOGRAM):
            return f"{name} is not a tree model that can be compiled"
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
        from onnx import TensorProto, helper

        model = _as_sum(estimator)
        nodes, source = [], "x"
        if model.single:
            # scikit-learn compares float32(x) with a float64 threshold; so do we.
            nodes = [
                helper.make_node("Cast", ["x"], ["x32"], to=TensorProto.FLOAT),
                helper.make_node("Cast", ["x32"], ["x64"], to=TensorProto.DOUBLE),
            ]
            source = "x64"
        nodes.append(ensemble(model.trees, model.targets, source, "sum"))
        more, constants, outputs = _after_sum(model)
        return model_bytes([*nodes, *more], constants, features, outputs)


def _as_sum(estimator: Any) -> _Sum:
    name = type(estimator).__name__
    if name in HISTOGRAM:
        targets = estimator.n_trees_per_iteration_
        base = np.ravel(estimator._baseline_prediction).astype(np.float64)
        return _Sum(list(histogram_trees(estimator._predictors)), targets, base, 1, LINKS[estimator.loss], False)
    if name in GRADIENT:
        stages = estimator.estimators_
        base = np.ravel(estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32)))
        trees = list(boosted_trees(stages, estimator.learning_rate))
        return _Sum(trees, stages.shape[1], base.astype(np.float64), 1, LINKS[estimator.loss], True)
    members = [estimator] if name in SINGLE else list(estimator.estimators_)
    classes = int(getattr(estimator, "n_classes_", 0))
    trees = list(forest_trees(members, classes))
    targets = 1 if classes in (0, 2) else classes
    link = "second" if classes == 2 else "identity"
    return _Sum(trees, targets, np.zeros(targets), len(members), link, True)


def _after_sum(model: _Sum) -> tuple[list[Any], list[Any], int]:
    """Nodes and constants from `sum` to `value`, and the number of outputs."""
    from onnx import helper, numpy_helper

    nodes, constants = [], []

    def node(op: str, sources: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, sources, [output], **attributes))
        return output

    def constant(name: str, numbers: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(numbers, dtype=np.float64), name))
        return name

    at = "sum"
    if model.base.any():
        at = node("Add", [at, constant("base", model.base.reshape(1, -1))], "raw")
    if model.count != 1:
        at = node("Div", [at, constant("count", [float(model.count)])], "mean")
    if model.link == "half":
        at = node("Mul", [at, constant("two", [2.0])], "twice")
    if model.link in ("logistic", "half") and model.targets == 1:
        at = node("Sigmoid", [at], "second")
    if model.link in ("logistic", "half", "second") and model.targets == 1:
        first = node("Sub", [constant("one", [1.0]), at], "first")
        node("Concat", [first, at], "value", axis=1)
        return nodes, constants, 2
    last = {"logistic": "Softmax", "exp": "Exp"}.get(model.link, "Identity")
    node(last, [at], "value", **({"axis": 1} if last == "Softmax" else {}))
    return nodes, constants, model.targets
