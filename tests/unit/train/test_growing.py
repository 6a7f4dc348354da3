"""Learning curves: they say that more rows help where they do, that they do not where they do not, or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.growing import _read, ahead_of, learning_curve
from fairlead.lab.train.material import Material, material_of

SHOP = Settings(
    model=ModelSettings(name="shop", task="classification", target="bought", positive="yes"),
    train=TrainSettings(learners=("logistic",), trials=1),
)


def material(rows: int, columns: int = 3, seed: int = 0) -> Material:
    random = np.random.default_rng(seed)
    table = random.normal(size=(rows, columns))
    odds = table @ np.linspace(1, 0.1, columns)
    frame = pd.DataFrame(table, columns=[f"c{i}" for i in range(columns)])
    frame["bought"] = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return material_of(frame, SHOP)


def test_a_curve_of_points_each_with_its_interval_ends_at_all_rows() -> None:
    made = material(500)
    fold = folds_of(made, 5, 0)[0]
    found = learning_curve(made, fold, "logistic", {}, seconds=60, seed=0, block=1)
    assert found is not None
    assert [p.rows for p in found.points] == [50, 100, 200, 400]
    assert found.points[-1].fits == 1
    assert found.points[0].fits == 5
    assert all(p.loss.low <= p.loss.value <= p.loss.high for p in found.points)
    assert found.points[0].loss.value > found.points[-1].loss.value
    again = learning_curve(made, fold, "logistic", {}, seconds=60, seed=0, block=1)
    assert again is not None
    assert again.points == found.points


def test_the_time_is_kept_and_what_it_did_not_reach_is_said() -> None:
    made = material(900)
    found = learning_curve(made, folds_of(made, 5, 0)[0], "logistic", {}, seconds=1e-9, seed=0, block=1)
    assert found is not None
    assert found.cut_short
    assert found.says == "cannot say"


def test_few_rows_have_no_curve() -> None:
    made = material(60)
    assert learning_curve(made, folds_of(made, 2, 0)[0], "logistic", {}, seconds=60, seed=0, block=1) is None


def test_a_power_law_is_followed() -> None:
    rows = np.array([50.0, 100, 200, 400, 800])
    law = 0.1 + 2.0 * rows**-0.6
    assert ahead_of(rows, law[None])[0] == pytest.approx(0.1 + 2.0 * 1600**-0.6, abs=1e-3)
    flat = np.full((1, 5), 0.2)
    assert ahead_of(rows, flat)[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("law", "noise", "says"),
    [(lambda n: 0.05 + 3 * n**-0.7, 0.001, "more rows would help"), (lambda n: 0.2 + 0 * n, 0.0003, "hardly help"),
     (lambda n: 0.2 + 0.5 * n**-0.7, 0.02, "cannot")],
)  # fmt: skip
def test_it_says_what_the_points_can_bear(law, noise: float, says: str) -> None:  # type: ignore[no-untyped-def]
    rows = np.array([50.0, 100, 200, 400, 800])
    random = np.random.default_rng(0)
    means = law(rows) + random.normal(scale=noise, size=5)
    drawn = means + random.normal(scale=noise, size=(300, 5))
    assert says in _read(rows, means, drawn)[1]


def test_twice_the_rows_are_foretold_within_the_interval() -> None:
    # On the law itself, many times: the truth of twice as many rows lies within the interval in nearly all.
    rows, random, inside = np.array([50.0, 100, 200, 400, 800]), np.random.default_rng(1), 0
    truth = 0.1 + 2.0 * 1600**-0.6
    for _ in range(100):
        means = 0.1 + 2.0 * rows**-0.6 + random.normal(scale=0.004, size=5)
        drawn = means + random.normal(scale=0.004, size=(200, 5))
        _, _, doubled, _ = _read(rows, means, drawn)
        assert doubled is not None
        inside += doubled.low <= truth <= doubled.high
    assert inside >= 85
