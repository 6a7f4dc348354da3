"""Fairness: the numbers are fairlearn's, intervals keep their promise, small groups are not called fair."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn import metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as some

from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.fairness import BINARY, Disparity, disparity, groups_of, measured, measures_of

SIGNATURE = Signature(task="classification", target="y", columns=(), classes=("no", "yes"), positive="yes")


def found(truth: np.ndarray, said: np.ndarray, codes: np.ndarray, names: list[str], measure: str) -> Disparity:
    parts = measured(SIGNATURE, truth, np.stack([1 - said, said], axis=1), np.abs((truth == "yes") - said))
    return disparity("g", measure, names, codes, *parts[measure], smallest=1)


@settings(max_examples=12, deadline=None)
@given(some.integers(0, 100_000), some.integers(2, 4), some.integers(20, 120))
def test_gaps_are_those_of_fairlearn(seed: int, groups: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    names = list("abcd"[:groups])
    codes = random.integers(0, groups, rows)
    codes[: 2 * groups] = np.repeat(np.arange(groups), 2)
    y = random.integers(0, 2, rows)
    # Both outcomes in every group: fairlearn takes a rate of nothing for 0, here it is left out.
    y[: 2 * groups] = np.tile([0, 1], groups)
    said = random.random(rows)
    truth = np.where(y == 1, "yes", "no")
    given_to = {"y_true": y, "y_pred": (said > 0.5).astype(int), "sensitive_features": codes}
    parity = found(truth, said, codes, names, "demographic_parity").gap
    finds = found(truth, said, codes, names, "equal_opportunity").gap
    flags = found(truth, said, codes, names, "false_positive_rate").gap
    assert parity is not None
    assert finds is not None
    assert flags is not None
    assert parity.value == pytest.approx(reference.demographic_parity_difference(**given_to))
    assert finds.value == pytest.approx(reference.equal_opportunity_difference(**given_to))
    assert max(finds.value, flags.value) == pytest.approx(reference.equalized_odds_difference(**given_to))
    for gap in (parity, finds, flags):
        assert 0 <= gap.low <= gap.value <= gap.high <= 1


@settings(max_examples=12, deadline=None)
@given(some.integers(0, 100_000))
def test_rates_of_each_group_are_those_of_fairlearn(seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, 200)
    y, said = random.integers(0, 2, 200), random.random(200)
    truth = np.where(y == 1, "yes", "no")
    rates = found(truth, said, codes, ["a", "b", "c"], "predictive_parity").groups
    from sklearn.metrics import precision_score

    frame = reference.MetricFrame(
        metrics=precision_score, y_true=y, y_pred=(said > 0.5).astype(int), sensitive_features=codes
    )
    for group, code in zip(rates, range(3), strict=True):
        assert group.rate is not None
        assert group.rate.value == pytest.approx(frame.by_group[code])


def test_the_largest_of_many_gaps_is_no_evidence_where_all_groups_are_alike() -> None:
    wrong = 0
    for number in range(200):
        random = np.random.default_rng(number)
        codes = random.integers(0, 8, 800)
        said = (random.random(800) < 0.3).astype(float)
        gap = disparity("g", "demographic_parity", list("abcdefgh"), codes, said, np.ones(800)).gap
        assert gap is not None
        wrong += gap.low > 0
    assert wrong / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_interval_holds_the_true_gap_for_rare_events_in_unequal_groups() -> None:
    rates, sizes = np.array([0.02, 0.05, 0.12]), [400, 200, 60]
    codes = np.repeat(np.arange(3), sizes)
    inside = 0
    for number in range(200):
        said = (np.random.default_rng(number).random(len(codes)) < rates[codes]).astype(float)
        gap = disparity("g", "demographic_parity", list("abc"), codes, said, np.ones(len(codes))).gap
        assert gap is not None
        inside += gap.low <= 0.10 <= gap.high
    assert inside / 200 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)


def test_neighbours_in_time_that_are_alike_make_the_interval_wider() -> None:
    random = np.random.default_rng(0)
    level = np.repeat(random.random(20), 50)
    said = (random.random(1000) < level).astype(float)
    codes = (np.arange(1000) // 50) % 2
    alone = disparity("g", "demographic_parity", ["a", "b"], codes, said, np.ones(1000)).gap
    joined = disparity("g", "demographic_parity", ["a", "b"], codes, said, np.ones(1000), block=50).gap
    assert alone is not None
    assert joined is not None
    assert joined.high - joined.low > 2 * (alone.high - alone.low)


def test_small_groups_are_named_and_nothing_is_claimed_about_them() -> None:
    codes = np.array([0] * 100 + [1] * 100 + [2] * 29)
    said = np.concatenate([np.zeros(50), np.ones(150), np.ones(29)])
    told = disparity("g", "demographic_parity", ["a", "b", "c"], codes, said, np.ones(229))
    assert told.small == ("c",)
    assert told.between == ("b", "a")
    alone = disparity("g", "demographic_parity", ["a", "b", "c"], codes, said, (codes != 1).astype(float))
    assert alone.gap is None
    assert alone.small == ("b", "c")


def test_each_task_has_its_measures() -> None:
    import pandas as pd

    assert measures_of("classification", 2) == BINARY
    assert "accuracy" in measures_of("classification", 3)
    assert measures_of("regression", 0) == ("mean_error", "mean_loss")
    names, codes = groups_of(pd.Series([1.0, None, 2.0, 1.0]))
    assert names == ["1.0", "2.0", "missing"]
    assert codes.tolist() == [0, 2, 1, 0]
