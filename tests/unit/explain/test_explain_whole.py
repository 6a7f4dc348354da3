"""Explanations of a whole model: each figure against what is known of a model made for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from explain_samples import explainable, frame, prepared, truth
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor

from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.evaluate.explaining.dependence import dependences
from fairlead.lab.evaluate.explaining.overall import overall
from fairlead.lab.evaluate.explaining.page import render_rows, render_whole
from fairlead.lab.evaluate.explaining.surrogate import surrogate
from fairlead.lab.evaluate.explaining.whole import explained
from fairlead.runtime.explain import Explainable

ROWS, BACKGROUND = frame(300), frame(30, 5)


def fitted(estimator: Any, kind: str) -> tuple[Explainable, dict[str, Any]]:
    made = explainable(prepared(estimator).fit(ROWS, truth(ROWS, kind)), ROWS, BACKGROUND)
    return made, columns_like(ROWS, made.model.signature)


def test_sizes_are_means_of_attributions_with_their_interval_and_direction() -> None:
    made, columns = fitted(LogisticRegression(), "binary")
    found, rows = overall(made, columns)
    assert len(next(iter(rows.values()))) == found.rows == 300
    sizes = np.abs(made.explain_columns(columns).attributions[:, :, 0]).mean(axis=0)
    effects = {effect.column: effect for effect in found.effects["yes"]}
    for name, size in zip(made.model.signature.names, sizes, strict=True):
        effect = effects[name]
        assert effect.size.value == pytest.approx(size)
        assert effect.size.low <= effect.size.value <= effect.size.high
    assert sum(effect.share for effect in effects.values()) == pytest.approx(1.0)
    assert [e.size.value for e in found.effects["yes"]] == sorted(
        (e.size.value for e in effects.values()), reverse=True
    )
    # A line pushes one way alone.
    assert abs(effects["n0"].direction or 0.0) == pytest.approx(1.0)
    assert sum(rows for _, rows, _ in effects["t0"].categories) == 300
    assert found.residual < 1e-9


def test_intervals_of_sizes_hold_what_they_promise() -> None:
    made, _ = fitted(LogisticRegression(), "binary")
    population = columns_like(frame(4000, 77), made.model.signature)
    wanted = np.abs(made.explain_columns(population).attributions[:, 0, 0]).mean()
    hit = 0
    for seed in range(60):
        drawn = columns_like(frame(120, 1000 + seed), made.model.signature)
        size = next(e for e in overall(made, drawn, seed)[0].effects["yes"] if e.column == "n0").size
        hit += size.low <= wanted <= size.high
    assert hit >= 51  # of 60 at 95 %; fewer come by chance once in 3,000


def test_dependence_of_a_line_is_its_slope_and_lines_are_parallel() -> None:
    rows = frame(300, gaps=0.0)
    made = explainable(prepared(LinearRegression()).fit(rows, 3.0 * rows["n0"] - rows["n1"]), rows, BACKGROUND)
    columns = columns_like(rows, made.model.signature)
    curve = next(c for c in dependences(made.model, columns, ["n0"]) if c.column == "n0")
    means = np.array([point[0] for point in curve.outputs["value"]])
    np.testing.assert_allclose(np.diff(means) / np.diff(curve.grid), 3.0, atol=1e-6)
    lines = np.array(curve.lines)
    np.testing.assert_allclose(lines - lines[:, :1], np.broadcast_to(lines[0] - lines[0, 0], lines.shape), atol=1e-6)
    assert sum(curve.density) == pytest.approx(1.0)
    assert curve.spread == pytest.approx(3.0 * (curve.grid[-1] - curve.grid[0]), rel=1e-6)


def test_dependence_is_the_mean_answer_with_one_column_set() -> None:
    made, columns = fitted(GradientBoostingClassifier(n_estimators=10), "binary")
    some = {name: values[:150] for name, values in columns.items()}
    for curve in dependences(made.model, some, ["n1", "t0"]):
        at = len(curve.grid) // 2
        cells = some[curve.column].copy()
        cells[:] = curve.grid[at]
        scores = made.model.score_columns({**some, curve.column: cells})[:, 1]
        value, low, high = curve.outputs["yes"][at]
        assert value == pytest.approx(scores.mean())
        assert low <= value <= high
    assert dependences(made.model, {**some, "n1": np.full(150, 2.0)}, ["n1"]) == ()


def test_a_surrogate_of_a_tree_is_that_tree_and_says_so() -> None:
    rows = frame(600, gaps=0.0)
    stump = GradientBoostingClassifier(n_estimators=1, max_depth=2, random_state=0)
    made = explainable(prepared(stump).fit(rows, truth(rows, "binary")), rows, BACKGROUND)
    found = surrogate(made.model, columns_like(rows, made.model.signature))
    assert found is not None
    assert found.fidelity.value > 0.95
    assert found.agreement is not None
    assert found.agreement.value > 0.95
    assert sum(leaf.rows for leaf in found.leaves) == 600
    assert found.fitted + found.judged == 600


def test_a_surrogate_of_noise_says_that_it_is_none() -> None:
    random = np.random.default_rng(0)
    rows = frame(600, gaps=0.0)
    # Grown on labels that mean nothing, it has no shape that a few rules could tell.
    pipeline = prepared(RandomForestClassifier(20, random_state=0))
    made = explainable(pipeline.fit(rows, random.choice(["no", "yes"], 600)), rows, BACKGROUND)
    found = surrogate(made.model, columns_like(frame(600, 8), made.model.signature))
    assert found is not None
    assert found.fidelity.value < 0.5
    assert surrogate(made.model, columns_like(frame(30, 8), made.model.signature)) is None


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        pytest.param(GradientBoostingClassifier(n_estimators=3), "multiclass", marks=pytest.mark.long),
        (MLPRegressor(hidden_layer_sizes=(4,), max_iter=20), "number"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_page_shows_every_part_and_is_the_same_each_time(estimator: Any, kind: str) -> None:
    made, columns = fitted(estimator, kind)
    few = {name: values[:60] for name, values in columns.items()}
    found = explained(made, few)
    page = render_whole(found, made.model)
    assert found == explained(made, few)
    outputs = made.subject.margin.outputs
    assert page.count("<figure>") >= len(outputs) * 4 + len(found.dependence)
    assert "The tree tells" in page
    assert "drawn independently" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing is fetched


def test_rows_are_drawn_as_falls_and_texts_are_escaped() -> None:
    rows = ROWS.assign(t0=ROWS["t0"].where(ROWS["t0"] != "w1", "<b>&"))
    made = explainable(prepared(LogisticRegression()).fit(rows, truth(ROWS, "binary")), rows, BACKGROUND)
    row = pd.DataFrame(rows[rows["t0"] == "<b>&"].iloc[:1])
    answer = made.explain(row).answer()
    values = [{name: (None if cell != cell else cell) for name, cell in row.iloc[0].items()}]
    predictions = made.model.predict(row)
    page = render_rows({**answer, "rows": 1, "values": values, "predictions": predictions, "bundle": "b"}, "m")
    assert "above all by" in page
    assert "<b>&" not in page
