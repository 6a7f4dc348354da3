"""Weights of rows and classes, and columns whose order an answer must keep."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train import material_of, train
from fairlead.lab.train.preparing import preparation
from fairlead.lab.train.search import learners_for
from fairlead.lab.train.terms import Terms, fit_weights, signs_of


def table(rows: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size = random.normal(size=rows)
    return pd.DataFrame(
        {
            "size": size,
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), "h"),
            "colour": random.choice(["red", "green"], rows),
            "weight": random.integers(1, 5, rows),
            "y": np.where(size + random.normal(size=rows) > 0.8, "yes", "no"),
        }
    )


def settings(target: str = "y", task: str = "classification", positive: str | None = None, **rules) -> Settings:
    model = ModelSettings(name="m", task=task, target=target, positive=positive)  # type: ignore[arg-type]
    return Settings(model=model, train=TrainSettings(**rules))


@given(
    st.lists(st.sampled_from("abc"), min_size=3, max_size=60),
    st.lists(st.floats(0.01, 100.0), min_size=60, max_size=60),
)
def test_balanced_classes_weigh_the_same_together(labels, numbers):
    truth, weights = np.array(labels), np.array(numbers[: len(labels)])
    found = fit_weights(truth, weights, Terms("balanced"))
    sums = [found[truth == label].sum() for label in set(labels)]
    assert np.allclose(sums, sums[0])
    assert found.sum() == pytest.approx(len(truth))


def test_weights_have_a_mean_of_one_so_that_shrinkage_means_the_same():
    material = material_of(table(), settings(weight="weight"))
    assert material.fit_weights().mean() == pytest.approx(1.0)
    assert material.fit_weights(np.arange(10)).mean() == pytest.approx(1.0)
    assert material.take(np.arange(10)).fit_weights()[3] == pytest.approx(material.fit_weights(np.arange(10))[3])


def test_without_weights_and_classes_nothing_is_weighed():
    assert material_of(table(), settings()).fit_weights() is None


def test_a_class_without_a_stated_weight_weighs_one():
    found = material_of(table(), settings(class_weight={"yes": 3.0})).fit_weights()
    assert set(found.tolist()) == {1.0, 3.0}


def test_the_weight_is_no_feature_and_rows_of_a_running_model_need_none():
    rules = settings(weight="weight")
    material = material_of(table(), rules)
    assert "weight" not in material.signature.names
    again = material_of(table().drop(columns="weight"), rules, material.signature)
    assert again.weights is None


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_refused_by_its_row(wrong):
    rows = table().astype({"weight": float})
    rows.loc[7, "weight"] = wrong
    with pytest.raises(InputInvalid, match=r"1 rows have no weight of 0 or more .* row 7"):
        material_of(rows, settings(weight="weight"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"weight": "wait"}, "no column 'wait'"),
        ({"class_weight": {"maybe": 2.0}}, "no class 'maybe'"),
        ({"monotone": {"colour": 1}}, "'colour' is no feature with an order"),
        ({"monotone": {"weigth": 1}}, "'weigth' is no feature"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key(rules, said):
    with pytest.raises(ConfigInvalid, match=said) as refused:
        material_of(table(), settings(**rules))
    assert f"train.{next(iter(rules))}" in str(refused.value)


def test_a_regression_has_no_classes_to_weigh():
    with pytest.raises(ConfigInvalid, match="no classes to weigh"):
        material_of(table(), settings("size", "regression", class_weight="balanced"))


def test_a_learner_without_order_is_refused_by_name_before_anything_is_fitted():
    rules = settings(monotone={"size": 1}, learners=("hist_gradient_boosting", "naive_bayes"), trials=2, folds=2)
    with pytest.raises(ConfigInvalid, match=r"naive_bayes cannot keep its answer monotone.*hist_gradient_boosting"):
        train(table(), rules)


def test_a_learner_that_cannot_do_the_task_is_refused_by_name():
    with pytest.raises(ConfigInvalid, match=r"poisson cannot do classification.*naive_bayes"):
        learners_for(["poisson"], material_of(table(), settings()).signature)


def test_order_is_found_through_the_preparation():
    material = material_of(table(), settings())
    fitted = preparation(material.signature).fit(material.frame)
    names = [str(name) for name in fitted.get_feature_names_out()]
    signs = signs_of(fitted, material.frame, material.signature, Terms(monotone={"size": 1}))
    assert {name: sign for name, sign in zip(names, signs, strict=True) if sign} == {
        name: 1 for name in names if name.endswith("size")
    }


def test_order_is_that_of_the_positive_class_whichever_comes_first():
    material = material_of(table(), settings(positive="no"))
    fitted = preparation(material.signature).fit(material.frame)
    signs = signs_of(fitted, material.frame, material.signature, Terms(monotone={"size": 1}))
    assert set(signs) == {0, -1}


def test_a_time_whose_parts_go_round_has_no_order_to_keep():
    material = material_of(table(), settings())
    fitted = preparation(material.signature).fit(material.frame)
    with pytest.raises(ConfigInvalid, match="'at' does not keep its order"):
        signs_of(fitted, material.frame, material.signature, Terms(monotone={"at": 1}))


def test_whom_to_tell_does_not_travel_to_other_processes():
    told = Terms(patience=3).watched("home", print)
    assert pickle.loads(pickle.dumps(told)).watch is None
    assert pickle.loads(pickle.dumps(told)).patience == 3
