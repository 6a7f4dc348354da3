"""Centres and mixtures, as ONNX in double."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

CENTRES = ("KMeans", "MiniBatchKMeans")
MIXTURE, BOUNDED = "GaussianMixture", "BoundedMixture"
"""Of scikit-learn, and of `lab.train.estimators`."""


class Clusters:
    """Port `emitter`: 1 for the nearest centre, or the probability of each part of a Gaussian mixture."""

    form = "clusters"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if (module, name) == ("fairlead", BOUNDED):
            return None
        if module != "sklearn" or name not in (*CENTRES, MIXTURE):
            return f"{name} is no clustering that can be compiled"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, clusters)."""
        if type(estimator).__name__ in CENTRES:
            return nearest(np.asarray(estimator.cluster_centers_, dtype=np.float64))
        return mixture(estimator)


def nearest(centres: np.ndarray) -> bytes:
    """1 for the centre with the smallest distance, the first of equal ones; centres: (clusters, features).

    |x - c|^2 is compared without |x|^2, which all centres share.
    """
    from onnx import TensorProto

    count, features = centres.shape
    graph = Graph()
    graph.node("MatMul", ["x", graph.constant("centres", -2.0 * centres.T)], "products")
    graph.node("Add", ["products", graph.constant("squares", (centres * centres).sum(axis=1))], "distances")
    graph.node("ArgMin", ["distances"], "chosen", axis=1, keepdims=1)
    graph.node("Equal", ["chosen", graph.constant("numbers", np.arange(count).reshape(1, -1), whole=True)], "is")
    graph.node("Cast", ["is"], "value", to=TensorProto.DOUBLE)
    return graph.model(features, count)


def mixture(estimator: Any) -> bytes:
    """Posterior probabilities of the parts of a Gaussian mixture, whatever the form of its covariances."""
    means = np.asarray(estimator.means_, dtype=np.float64)
    count, features = means.shape
    factors = precision_factors(estimator)
    graph = Graph()
    # One product for all parts: (x - mean) @ factor, part after part.
    flat = factors.transpose(1, 0, 2).reshape(features, count * features)
    offset = np.einsum("kd,kde->ke", means, factors).reshape(1, -1)
    at = "x"
    if hasattr(estimator, "low_"):
        at = graph.node("Max", [at, graph.constant("low", estimator.low_[None])], "above")
        at = graph.node("Min", [at, graph.constant("high", estimator.high_[None])], "bounded")
    graph.node("MatMul", [at, graph.constant("factors", flat)], "products")
    graph.node("Sub", ["products", graph.constant("offset", offset)], "apart")
    graph.node("Mul", ["apart", "apart"], "squares")
    halves = np.kron(np.eye(count), np.full((features, 1), -0.5))
    graph.node("MatMul", ["squares", graph.constant("halves", halves)], "exponents")
    determinants = np.log(np.einsum("kdd->kd", factors)).sum(axis=1)
    graph.node("Add", ["exponents", graph.constant("weights", determinants + np.log(estimator.weights_))], "logs")
    graph.node("Softmax", ["logs"], "value", axis=1)
    return graph.model(features, count)


def precision_factors(estimator: Any) -> np.ndarray:
    """Upper triangular factors of the precisions, (parts, features, features)."""
    found = np.asarray(estimator.precisions_cholesky_, dtype=np.float64)
    count, features = estimator.means_.shape
    form = estimator.covariance_type
    if form == "full":
        return found
    if form == "tied":
        return np.broadcast_to(found, (count, features, features)).copy()
    wide = np.broadcast_to(found.reshape(count, -1), (count, features))
    made: np.ndarray = np.einsum("kd,de->kde", wide, np.eye(features))
    return made
