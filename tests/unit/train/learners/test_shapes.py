"""Curves of an additive model: what they add up to is what the model answers, at every value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import NotCompilable
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.compile.shapes import Shape, shapes_of
from fairlead.lab.train import fit, material_of


def material(target: str):
    random = np.random.default_rng(1)
    size, count = random.normal(size=300), random.integers(0, 9, 300)
    colour = random.choice(["red", "green", None], 300)
    pull = np.sin(size * 2) + (colour == "red") - count / 5 + random.normal(0, 0.3, 300)
    size[::11] = np.nan
    table = pd.DataFrame({"size": size, "count": count, "colour": colour, "y": pull})
    if target == "classes":
        table["y"] = np.where(pull > 0, "yes", "no")
    task = "classification" if target == "classes" else "regression"
    return material_of(table, Settings(model=ModelSettings(name="m", task=task, target="y")))


def added(shape: Shape, value) -> np.ndarray:
    if value is None or value != value:
        return np.array(shape.missing)
    if isinstance(value, str):
        return np.array(shape.values[shape.categories.index(value) if value in shape.categories else -1])
    return np.array(shape.values[int(np.searchsorted(shape.edges, value, side="left"))])


@pytest.mark.parametrize("target", ["classes", "number"])
def test_curves_add_up_to_the_answer_between_at_and_beyond_their_edges(target):
    found = material(target)
    pipeline = fit(found, "explainable_boosting", {"max_iter": 25, "max_leaf_nodes": 4, "min_samples_leaf": 5}, seed=0)
    compiled = compile_pipeline(pipeline, found.signature)
    curves = shapes_of(compiled.front, compiled.tail, found.signature)
    assert {shape.column for shape in curves.shapes} == {"size", "count", "colour"}
    random = np.random.default_rng(2)
    by = {shape.column: shape for shape in curves.shapes}
    assert not any(shape.sampled for shape in curves.shapes)
    edges = random.choice(by["size"].edges, 40)
    sizes = [*random.normal(0, 2, 40), *edges, *np.nextafter(edges, np.inf), 1e300, -1e300, 0.0, np.nan]
    rows = len(sizes)
    columns = {
        "size": np.array(sizes),
        "count": random.integers(-2, 12, rows).astype(float),
        "colour": np.array(random.choice(["red", "green", "never", None], rows), dtype=object),
    }
    answers = compiled.scores(columns)
    for at in range(rows):
        total = np.array(curves.intercept)
        for name, cells in columns.items():
            total = total + added(by[name], cells[at])
        expected = np.log(answers[at, 1] / answers[at, 0]) if target == "classes" else answers[at, 0]
        assert total[0] == pytest.approx(expected, abs=1e-9)


def test_trees_that_ask_columns_together_have_no_curves():
    found = material("number")
    compiled = compile_pipeline(fit(found, "hist_gradient_boosting", {"max_iter": 5}, seed=0), found.signature)
    with pytest.raises(NotCompilable, match="together"):
        shapes_of(compiled.front, compiled.tail, found.signature)


def test_a_straight_line_has_no_trees():
    found = material("number")
    compiled = compile_pipeline(fit(found, "ridge", {"alpha": 1.0}, seed=0), found.signature)
    with pytest.raises(NotCompilable, match="sum of trees"):
        shapes_of(compiled.front, compiled.tail, found.signature)
