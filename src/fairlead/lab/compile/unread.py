"""Features that a model never reads: the front need not make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Signature
from fairlead.lab.compile.lanes import AnyLane, front_of, spread
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.manifest import TAIL_LINEAR, canonical
from fairlead.runtime.bundle.tail import LinearForm

CHOOSING = ("ChosenClassifier", "ChosenRegressor")
"""Of `lab.train.estimators`."""


def chosen(lanes: list[AnyLane], estimator: Any) -> tuple[list[AnyLane], Any, bool]:
    """The features that a model is given, the model, and whether what it never reads is to be left out."""
    found = False
    while type(estimator).__name__ in CHOOSING and type(estimator).__module__.startswith("fairlead."):
        whole = spread(lanes)
        if len(whole) != estimator.n_features_in_:
            raise NotCompilable(f"the model was fitted on {estimator.n_features_in_} features and gets {len(whole)}.")
        lanes = [whole[at] for at in estimator.chosen_.tolist()]
        estimator, found = estimator.estimator_, True
    return lanes, estimator, found


def without_unread(
    lanes: Sequence[AnyLane], tail: bytes, file: str, signature: Signature, front: Front
) -> tuple[Front, bytes]:
    """The front and the tail without features that the tail never reads; as they are where that is not plain.

    Of trees, features in no split: every answer stays what it was, bit for bit. Of linear models, those whose weights
    are all 0: the same but for the order of a sum.
    """
    cut = _linear(tail) if file == TAIL_LINEAR else _trees(tail)
    if cut is None:
        return front, tail
    kept, made = cut
    try:
        return front_of([lanes[at] for at in kept], signature), made
    except NotCompilable:
        # Some lanes are whole or not at all, such as the hashes of a text.
        return front, tail


def _linear(tail: bytes) -> tuple[list[int], bytes] | None:
    form = msgspec.json.decode(tail, type=LinearForm)
    kept = [at for at, row in enumerate(form.weights) if any(row)] or [0]
    if len(kept) >= len(form.weights):
        return None
    return kept, canonical(msgspec.structs.replace(form, weights=tuple(form.weights[at] for at in kept)))


def _trees(tail: bytes) -> tuple[list[int], bytes] | None:
    import onnx
    from onnx import helper

    model = onnx.load_model_from_string(tail)
    graph = model.graph
    source, readers = "x", [node for node in graph.node if "x" in node.input]
    while len(readers) == 1 and readers[0].op_type == "Cast":
        source = readers[0].output[0]
        readers = [node for node in graph.node if source in node.input]
    if not readers or any(node.op_type != "TreeEnsemble" or list(node.input) != [source] for node in readers):
        return None
    width = graph.input[0].type.tensor_type.shape.dim[1]
    held = [attribute for node in readers for attribute in node.attribute if attribute.name == "nodes_featureids"]
    kept = sorted({int(at) for attribute in held for at in attribute.ints})
    if len(kept) >= width.dim_value or not kept:
        return None
    place = np.full(width.dim_value, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    for attribute in held:
        attribute.CopyFrom(helper.make_attribute(attribute.name, place[list(attribute.ints)].tolist()))
    width.dim_value = len(kept)
    return kept, model.SerializeToString(deterministic=True)
