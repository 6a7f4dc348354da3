"""Models over many places (support vectors, neighbours): allowed, and never all of a large table at once."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.lab.compile.neighbours import Neighbours
from fairlead.lab.train.estimators.neighbours import NeighbourRegressor
from fairlead.runtime.bundle import tail as tails
from fairlead.runtime.bundle.onnx_guard import check_onnx, widest
from fairlead.runtime.bundle.tail import OnnxTail


def test_the_widest_product_is_read_from_the_file():
    graph = Graph()
    graph.node("MatMul", ["x", graph.constant("many", np.ones((3, 700)))], "wide")
    graph.node("MatMul", ["wide", graph.constant("one", np.ones((700, 1)))], "value")
    data = graph.model(3, 1)
    check_onnx(data)
    assert widest(data) == 700


def test_a_large_table_goes_in_parts_with_the_same_answers(monkeypatch: pytest.MonkeyPatch):
    x = np.random.default_rng(0).normal(size=(300, 3))
    data = Neighbours().emit(NeighbourRegressor(3).fit(x, x[:, 0]), 3)
    whole = OnnxTail(data, 3)
    monkeypatch.setattr(tails, "_HELD", 300 * 7)
    parted = OnnxTail(data, 3)
    seen = []
    run = parted._run
    parted._run = lambda names, given: (seen.append(len(given["x"])), run(names, given))[1]
    assert np.array_equal(parted.scores(x), whole.scores(x))
    assert max(seen) == 7
    assert sum(seen) == 300
