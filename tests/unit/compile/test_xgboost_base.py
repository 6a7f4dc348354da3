"""XGBoost adds its trees to the base in single precision, tree by tree; the compiled sum does the same."""

from __future__ import annotations

import numpy as np
import pytest
from xgboost import XGBRegressor

from fairlead.lab.compile.xgboost_trees import XGBoostTrees
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.tail import OnnxTail, load_tail


@pytest.mark.parametrize("runner", ["kernel", "onnxruntime"])
def test_answers_are_equal_to_the_last_bit_where_trees_take_back_most_of_a_large_base(runner):
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3))
    y = np.where(x[:, 0] > 0, 400.0, 0.0) + random.normal(0, 1, 400)
    model = XGBRegressor(n_estimators=120, max_depth=3, n_jobs=1).fit(x, y)
    data = XGBoostTrees().emit(model, 3)
    tail = load_tail({TAIL_ONNX: data}, 3) if runner == "kernel" else OnnxTail(data, 3)
    assert np.array_equal(tail.scores(x)[:, 0], model.predict(x).astype(np.float64))
