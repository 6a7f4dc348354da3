"""Boosted trees of XGBoost, in its own precision: single throughout, splits by `<`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.lab.compile.tree_sums import Link, TreeSum, onnx_of
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.runtime.bundle.manifest import TAIL_ONNX

LABELLED = "LabelledBooster"
"""Of `lab.train.estimators`: an XGBClassifier and the words for its classes."""
ORDERED = "OrderedBooster"
"""Of `lab.train.estimators`: an XGBRanker and the line that makes its scores gains."""
SHARED = ("SharedClassifier", "SharedRegressor")
"""Of `lab.train.distributed`: models of XGBoost whose trees were grown by several processes."""
MODELS = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker")
LINKS: dict[str, Link] = {
    "binary:logistic": "logistic", "reg:logistic": "sigmoid", "multi:softprob": "softmax", "multi:softmax": "softmax",
    "reg:squarederror": "identity", "reg:squaredlogerror": "identity", "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity", "reg:quantileerror": "identity",
    "count:poisson": "exp", "reg:gamma": "exp", "reg:tweedie": "exp",
    "rank:pairwise": "identity", "rank:ndcg": "identity", "rank:map": "identity",
}  # fmt: skip
OF_CLASSES = ("logistic", "softmax")
LEAF = -1


class XGBoostTrees:
    """Port `emitter`: TreeEnsemble in single precision, as XGBoost itself computes."""

    form = "xgboost"
    tolerance = 1e-5
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        estimator = _own(estimator)
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "xgboost" or name not in MODELS:
            return f"{name} is not a model of XGBoost that can be compiled"
        if not (isinstance(estimator.missing, float) and estimator.missing != estimator.missing):
            return "XGBoost takes a value that data may hold for missing (missing=)"
        return _reason(_learner(estimator), hasattr(estimator, "classes_"))

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        return onnx_of(_lined(_as_sum(_own(estimator), sparse=False), estimator), features)

    def emit_sparse(self, estimator: Any, features: int) -> bytes:
        """As `emit`, of a model that is fed sparse rows: XGBoost takes what they do not store for missing."""
        return onnx_of(_lined(_as_sum(_own(estimator), sparse=True), estimator), features)


def _own(estimator: Any) -> Any:
    """XGBoost's own model."""
    ours = type(estimator).__name__ in (LABELLED, ORDERED, *SHARED) and type(estimator).__module__.startswith(
        "fairlead."
    )
    return estimator.booster_ if ours else estimator


def _lined(model: TreeSum, estimator: Any) -> TreeSum:
    """The sum on the line that an OrderedBooster has learned, of others as it is."""
    if type(estimator).__name__ != ORDERED:
        return model
    return replace(model, base=np.full(model.targets, estimator.shift_), slope=float(estimator.slope_))


def _learner(estimator: Any) -> dict[str, Any]:
    """What XGBoost would save of the trees that `predict` uses: those up to the best iteration of an early stop."""
    booster = estimator.get_booster()
    if (best := booster.attr("best_iteration")) is not None:
        booster = booster[: int(best) + 1]
    saved: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
    return saved


def _reason(learner: dict[str, Any], classifies: bool) -> str | None:
    booster, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if booster != "gbtree":
        return f"XGBoost's booster {booster!r} is not compiled, only 'gbtree'"
    if objective not in LINKS:
        return f"XGBoost's objective {objective!r} is not compiled"
    if classifies != (LINKS[objective] in OF_CLASSES):
        return f"objective {objective!r} gives no {'probabilities' if classifies else 'number'}"
    if int(learner["learner_model_param"]["num_target"]) > 1:
        return "it predicts more than one target"
    trees = learner["gradient_booster"]["model"]["trees"]
    if any(int(tree["tree_param"].get("size_leaf_vector", 0)) > 1 for tree in trees):
        return "XGBoost's trees with a vector in each leaf (multi_strategy) are not compiled"
    native = "c" in (learner.get("feature_types") or ())
    if native or any(kind for tree in trees for kind in tree.get("split_type", ())):
        return "XGBoost's native categorical splits are not compiled: encode categories ahead of it"
    return None


def _as_sum(estimator: Any, sparse: bool) -> TreeSum:
    learner = _learner(estimator)
    parameters, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
    link = LINKS[learner["objective"]["name"]]
    targets = max(1, int(parameters["num_class"]))
    stated = parameters["base_score"]
    # One number up to XGBoost 3.0, a list of one per class from 3.1 on.
    scores = np.ravel(np.array(json.loads(stated) if isinstance(stated, str) else stated, np.float32))
    base = np.resize(_margin(scores, link), targets)
    # XGBoost starts from the base and adds tree by tree, rounding each time; a sum that begins elsewhere drifts apart
    # by more than its precision where the trees take back most of the base.
    starts = [_start(float(number), target) for target, number in enumerate(base.tolist()) if number]
    trees = [*starts, *_tables(model["trees"], model["tree_info"])]
    return TreeSum(trees, targets, np.zeros(targets, np.float32), link, precision="single", sparse=sparse)


def _start(number: float, target: int) -> TreeTable:
    """A tree of one leaf."""
    one, no = np.zeros(1, np.int64), np.zeros(1, bool)
    return TreeTable(np.ones(1, bool), one, np.zeros(1), one, one, no, np.array([number]), target, strict=True)


def _margin(scores: np.ndarray, link: Link) -> np.ndarray:
    """base_score as the sum of trees meets it: XGBoost states it on the scale of the answer."""
    one = np.float32(1.0)
    if link in ("logistic", "sigmoid"):
        return np.asarray(-np.log(one / scores - one))
    return np.asarray(np.log(scores)) if link == "exp" else scores


def _tables(trees: list[dict[str, Any]], targets: list[int]) -> Iterator[TreeTable]:
    for tree, target in zip(trees, targets, strict=True):
        left = np.array(tree["left_children"], np.int64)
        # A leaf keeps its value where a split keeps its threshold; both are single.
        numbers = np.array(tree["split_conditions"], np.float32).astype(np.float64)
        yield TreeTable(
            leaf=left == LEAF,
            feature=np.array(tree["split_indices"], np.int64),
            threshold=numbers,
            left=left,
            right=np.array(tree["right_children"], np.int64),
            missing_left=np.array(tree["default_left"], bool),
            value=numbers,
            target=int(target),
            strict=True,
        )
