"""One suite for every explainer, ours and third parties': sums, nought for what is not read, deadlines, seeds."""

from __future__ import annotations

import importlib.util
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from fairlead.contract.errors import DeadlineExceeded, UnknownPlugin, UsageError
from fairlead.contract.plugins import names, variant
from fairlead.runtime.explain import Explainable, Terms
from fairlead.runtime.explain.explaining import AUTOMATIC

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "explain"))
from explain_samples import explainable, frame, prepared, truth

MODELS: dict[str, tuple[Any, str]] = {
    "linear": (LogisticRegression(), "multiclass"),
    "trees": (RandomForestClassifier(4, max_depth=5, random_state=0), "binary"),
    "network": (MLPClassifier((4,), max_iter=20, random_state=0), "binary"),
}
FRESH = frame(4, 9)
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "shap" and importlib.util.find_spec("shap") is None, reason="shap is not installed"
        ),
    )
    for name in names("explainer")
]


@cache
def made(model: str) -> Explainable:
    import warnings

    estimator, kind = MODELS[model]
    rows = frame().assign(t1="w0")  # a column that says nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return explainable(prepared(estimator).fit(rows, truth(rows, kind)), rows, frame(12, 5).assign(t1="w0"))


def able(name: str) -> list[Explainable]:
    """The models that this explainer takes; what it refuses it refuses with a reason."""
    found = []
    for model in MODELS:
        why = variant("explainer", name)().accepts(made(model).subject, Terms())
        assert why is None or len(why) > 10
        if why is None:
            found.append(made(model))
        else:
            with pytest.raises(UsageError, match=name):
                made(model).explain(FRESH, method=name)
    assert found, "it takes none of a linear model, trees and a network"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_attributions_sum_and_are_nought_for_what_is_not_read(name: str) -> None:
    rows = FRESH.assign(t1="w0")
    for model in able(name):
        found = model.explain(rows, method=name)
        assert found.method == name
        assert found.sums
        assert found.residual < 1e-6
        assert found.attributions.shape == (4, 5, len(found.outputs))
        assert (found.attributions[:, found.columns.index("t1")] == 0).all()
        assert (found.errors is None) or (found.errors >= 0).all()
        assert found.exact == variant("explainer", name).exact
        assert len(found.said) > 10


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_whoever_is_beside(name: str) -> None:
    for model in able(name):
        first, again = (model.explain(FRESH, Terms(seed=3), method=name).attributions for _ in range(2))
        assert (first == again).all()
        alone = model.explain(FRESH.iloc[2:3], Terms(seed=3), method=name).attributions
        assert (alone[0] == first[2]).all()


@pytest.mark.parametrize("name", NAMES)
def test_all_agree_with_the_definition_within_their_errors(name: str) -> None:
    for model in able(name):
        exact = model.explain(FRESH, method="enumeration").attributions
        found = model.explain(FRESH, method=name)
        # shap's regression is over all coalitions here, as there are few columns.
        allowed = 1e-6 if found.errors is None else 5 * found.errors + 1e-9
        assert (np.abs(found.attributions - exact) <= allowed).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_deadline_that_is_over_ends_it(name: str) -> None:
    for model in able(name):
        with pytest.raises(DeadlineExceeded):
            model.explain(FRESH, Terms(deadline=time.monotonic() - 1.0), method=name)


def test_exact_ones_are_tried_first_and_heavy_ones_never_unasked() -> None:
    assert "shap" not in AUTOMATIC
    exact = [variant("explainer", name).exact for name in AUTOMATIC]
    assert exact == sorted(exact, reverse=True)
    assert [made(model).explain(FRESH).method for model in MODELS] == ["linear", "trees", "enumeration"]
    few = Terms(evaluations=600)
    assert made("network").explain(FRESH, few).method == "enumeration"
    with pytest.raises(UnknownPlugin):
        made("network").explain(FRESH, method="magic")
