"""Networks that read words: gathered, added up and summed in double, as they were answered in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.lab.compile.pictures import DOUBLE, answer, part
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MODELS = ("TextClassifier", "TextRegressor")
INT64 = 7


class TextsRead:
    """Port `emitter`: numbers of words to what they say, beside what is no word."""

    form = "texts"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        return None if module == "fairlead" and name in MODELS else f"{name} is no network of words"

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        layers, graph = estimator.layers_, Graph()
        plan = layers.plan
        taken = plan.beside + sum(text.size for text in plan.texts)
        if taken != features:
            raise NotCompilable(f"the network takes {taken} features and gets {features}.")
        outside = np.ones(features, dtype=bool)
        parts: list[str] = []
        for at, text in enumerate(plan.texts):
            outside[text.start : text.start + text.size] = False
            parts += _read(graph, layers, at, text)
        if outside.any():
            chosen = graph.constant("others", np.flatnonzero(outside), whole=True)
            parts.append(graph.node("Gather", ["x", chosen], "beside", axis=1))
        at_end = graph.node("Concat", parts, "together", axis=1) if len(parts) > 1 else parts[0]
        (weights, bias), (last, shift) = layers.sums
        summed = graph.node("Gemm", [at_end, graph.constant("sums", weights), graph.constant("bias", bias)], "summed")
        active = graph.node("Relu", [summed], "active")
        raw = graph.node("Gemm", [active, graph.constant("head", last), graph.constant("shift", shift)], "raw")
        return graph.model(features, answer(graph, raw, estimator))


def _read(graph: Graph, layers: Any, at: int, text: Any) -> list[str]:
    places = _places(graph, layers.tables[at], at, text)
    one, zero = graph.constant("one_word", 1.0), graph.constant("no_word", [0], whole=True)
    words = graph.constant(f"words{at}", layers.words[at])
    said = graph.node("Gather", [words, places], f"said{at}", axis=0)
    there = graph.node("Cast", [graph.node("Greater", [places, zero], f"is{at}")], f"there{at}", to=DOUBLE)
    along = graph.constant("along", [1], whole=True)
    count = graph.node("ReduceSum", [there, along], f"count{at}", keepdims=1)
    total = graph.node("ReduceSum", [said, along], f"total{at}", keepdims=0)
    parts = [graph.node("Div", [total, graph.node("Max", [count, one], f"least{at}")], f"mean{at}")]
    if layers.plan.window:
        parts.append(_threes(graph, layers, at, text.size, places, there, said))
    return parts


def _places(graph: Graph, table: Any, at: int, text: Any) -> str:
    """Rows of `words`, whole numbers (rows, length)."""
    numbers = part(graph, "x", f"text{at}", text.start, text.start + text.size)
    numbers = graph.node("Mul", [numbers, graph.constant(f"width{at}", text.width)], f"scaled{at}")
    numbers = graph.node("Add", [numbers, graph.constant(f"low{at}", text.low)], f"moved{at}")
    numbers = graph.node("Round", [numbers], f"whole{at}")
    nothing = graph.constant("nothing", 0.0)
    below = graph.node("Less", [numbers, graph.constant(f"known{at}", float(text.known))], f"below{at}")
    inside = graph.node("And", [below, graph.node("GreaterOrEqual", [numbers, nothing], f"from{at}")], f"inside{at}")
    numbers = graph.node("Where", [inside, numbers, nothing], f"number{at}")
    whole = graph.node("Cast", [numbers], f"integer{at}", to=INT64)
    return graph.node("Gather", [graph.constant(f"table{at}", table, whole=True), whole], f"places{at}", axis=0)


def _threes(graph: Graph, layers: Any, at: int, length: int, places: str, there: str, said: str) -> str:
    """The most that three words say, (rows, window): each word with the one ahead of it and the one after."""
    weights, bias = layers.threes[at]
    width = layers.plan.width
    zero = graph.constant("no_word", [0], whole=True)
    # A column of no words, of as many rows as there are.
    none = graph.node("Mul", [part(graph, places, f"first{at}", 0, 1), zero], f"none{at}")
    ahead = graph.node("Concat", [none, part(graph, places, f"but_last{at}", 0, length - 1)], f"ahead{at}", axis=1)
    after = graph.node("Concat", [part(graph, places, f"but_first{at}", 1, length), none], f"after{at}", axis=1)
    summed = []
    for number, shown in enumerate((ahead, "", after)):
        own = said
        if shown:
            own = graph.node("Gather", [f"words{at}", shown], f"said{at}_{number}", axis=0)
        by = graph.constant(f"threes{at}_{number}", weights[number * width : (number + 1) * width])
        summed.append(graph.node("MatMul", [own, by], f"by{at}_{number}"))
    total = graph.node("Sum", summed, f"sum{at}")
    total = graph.node("Add", [total, graph.constant(f"threes_bias{at}", bias)], f"biased{at}")
    total = graph.node("Relu", [total], f"bright{at}")
    shaped = graph.node("Unsqueeze", [there, graph.constant("inner", [2], whole=True)], f"shaped{at}")
    total = graph.node("Mul", [total, shaped], f"kept{at}")
    return graph.node("ReduceMax", [total, graph.constant("along", [1], whole=True)], f"most{at}", keepdims=0)
