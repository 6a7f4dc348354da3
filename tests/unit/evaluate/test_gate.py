"""The gate's rules, each at its boundary."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Check, Interval
from fairlead.contract.settings import GateSettings, ModelSettings, Settings
from fairlead.lab.evaluate import Comparison, Report, gate
from fairlead.lab.evaluate.fairness import Disparity
from fairlead.lab.evaluate.judging import switched_off
from fairlead.lab.evaluate.reliability import Reliability
from fairlead.lab.evaluate.slices import Slice, Slices

PARITY = {"flipped": 0, "max_difference": 1e-12, "tolerance": 1e-9, "rows": 500}


def against(value: float, low: float, high: float, name: str = "most_frequent") -> Comparison:
    return Comparison(name, {}, 0.2, Interval(value, low, high))


def report(**parts: Any) -> Report:
    found: dict[str, Any] = {
        "model": "shop",
        "bundle": "b" * 64,
        "task": "classification",
        "target": "bought",
        "rows": 200,
        "metrics": {"roc_auc": Interval(0.8, 0.75, 0.85), "log_loss": Interval(0.4, 0.35, 0.45)},
        "loss": Interval(0.1, 0.09, 0.11),
        "baselines": (against(-0.1, -0.15, -0.05),),
        "parity": PARITY,
    }
    return Report(**{**found, **parts})


def rules(sensitive: tuple[str, ...] = (), **chosen: Any) -> Settings:
    model = ModelSettings(name="shop", task="classification", target="bought", sensitive=sensitive)
    return Settings(model=model, gate=GateSettings(**chosen))


def check(found: Report, asked: Settings, name: str) -> Check:
    return next(c for c in gate(found, asked).checks if c.name == name)


def test_all_checks_that_hold_pass_and_each_says_why() -> None:
    verdict = gate(report(champion=against(0.0, -0.01, 0.01, "champion")), rules(min={"roc_auc": 0.75}))
    assert verdict.outcome == "pass"
    names = [c.name for c in verdict.checks]
    assert names == ["rows", "parity", "min.roc_auc", "beats.baseline", "no_worse_than.champion"]
    assert all(c.why for c in verdict.checks)


@pytest.mark.parametrize(
    ("limit", "verdict", "words"),
    [(0.74, "pass", "surely at or above"), (0.75, "pass", "surely at or above"), (0.78, "inconclusive", "too few rows"),
     (0.85, "inconclusive", "too few rows"), (0.86, "fail", "surely below")],
)  # fmt: skip
def test_a_minimum_is_met_by_the_whole_interval(limit: float, verdict: str, words: str) -> None:
    found = check(report(), rules(min={"roc_auc": limit}), "min.roc_auc")
    assert found.verdict == verdict
    assert words in found.why
    assert found.refuses


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, "pass"), (0.45, "pass"), (0.4, "inconclusive"), (0.34, "fail")])
def test_of_a_loss_the_limit_is_the_largest_allowed(limit: float, verdict: str) -> None:
    assert check(report(), rules(min={"log_loss": limit}), "min.log_loss").verdict == verdict


def test_a_metric_that_does_not_exist_is_an_error_with_the_nearest_and_one_undefined_here_is_inconclusive() -> None:
    with pytest.raises(ConfigInvalid, match="Did you mean 'roc_auc'"):
        gate(report(), rules(min={"roc_auk": 0.7}))
    with pytest.raises(ConfigInvalid, match="no metric of a classification"):
        gate(report(), rules(min={"rmse": 3.0}))
    assert check(report(metrics={}), rules(min={"pr_auc": 0.5}), "min.pr_auc").verdict == "inconclusive"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((-0.1, -0.2, -0.01), "pass"), ((-0.1, -0.2, 0.01), "inconclusive"), ((0.0, -0.1, 0.1), "fail"),
     ((0.2, 0.1, 0.3), "fail")],
)  # fmt: skip
def test_the_baseline_must_surely_be_beaten(interval: tuple[float, float, float], verdict: str) -> None:
    assert check(report(baselines=(against(*interval),)), rules(), "beats.baseline").verdict == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((-0.05, -0.1, 0.0), "pass"), ((0.005, 0.001, 0.01), "pass"), ((0.01, 0.005, 0.02), "inconclusive"),
     ((0.02, -0.01, 0.05), "inconclusive"), ((0.02, 0.001, 0.05), "fail")],
)  # fmt: skip
def test_only_evidence_of_harm_keeps_a_challenger_back(interval: tuple[float, float, float], verdict: str) -> None:
    found = report(champion=against(*interval, "champion"))
    assert check(found, rules(margin=0.01), "no_worse_than.champion").verdict == verdict
    assert gate(found, rules(margin=0.01)).outcome == ("fail" if verdict == "fail" else "pass")


def test_without_a_champion_there_is_nothing_to_be_worse_than() -> None:
    assert "no_worse_than.champion" not in [c.name for c in gate(report(), rules()).checks]


@pytest.mark.parametrize(
    ("change", "verdict"), [({"flipped": 1}, "fail"), ({"max_difference": 1e-8}, "fail"), ({}, "pass")]
)
def test_the_compiled_model_must_decide_as_the_trained_one(change: dict[str, Any], verdict: str) -> None:
    assert check(report(parity={**PARITY, **change}), rules(), "parity").verdict == verdict
    assert check(report(parity=None), rules(), "parity").verdict == "inconclusive"


def unequal(low: float, high: float, *, small: tuple[str, ...] = (), measure: str = "demographic_parity") -> Report:
    gap = Interval((low + high) / 2, low, high)
    return report(classes=("no", "yes"), fairness=(Disparity("sex", measure, gap, ("f", "m"), (), small),))


@pytest.mark.parametrize(
    ("found", "verdict", "outcome"),
    [(unequal(0.0, 0.1), "pass", "pass"), (unequal(0.0, 0.11), "inconclusive", "pass"),
     (unequal(0.1, 0.2), "inconclusive", "pass"), (unequal(0.11, 0.2), "fail", "fail"),
     (unequal(0.0, 0.1, small=("x",)), "inconclusive", "pass"), (unequal(0.2, 0.3, small=("x",)), "fail", "fail")],
)  # fmt: skip
def test_groups_fail_by_evidence_and_pass_as_fair_only_where_all_were_large_enough(
    found: Report, verdict: str, outcome: str
) -> None:
    for asked, name in (
        (rules(("sex",), max_group_gap=0.1), "max_group_gap.sex"),
        (rules(("sex",), groups={"demographic_parity": 0.1}), "groups.demographic_parity.sex"),
    ):
        assert check(found, asked, name).verdict == verdict
        assert gate(found, asked).outcome == outcome


def test_groups_too_small_or_not_there_are_inconclusive_not_fair() -> None:
    few = report(classes=("no", "yes"), fairness=(Disparity("sex", "demographic_parity", None, (), (), ("f", "m")),))
    found = check(few, rules(("sex",), max_group_gap=0.2), "max_group_gap.sex")
    assert found.verdict == "inconclusive"
    assert "f, m" in found.why
    assert check(few, rules(("age",), max_group_gap=0.2), "max_group_gap.age").verdict == "inconclusive"
    assert check(few, rules(max_group_gap=0.2), "max_group_gap").verdict == "inconclusive"
    with pytest.raises(ConfigInvalid, match="Did you mean 'equal_opportunity'"):
        gate(few, rules(("sex",), groups={"equal_oportunity": 0.1}))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(Interval(0.02, 0.0, 0.05), "pass"), (Interval(0.02, 0.0, 0.06), "inconclusive"),
     (Interval(0.1, 0.06, 0.2), "fail"), (None, "inconclusive")],
)  # fmt: skip
def test_probabilities_must_surely_be_close_to_what_happens(error: Interval | None, verdict: str) -> None:
    found = report(reliability=Reliability("yes", 10, error))
    assert check(found, rules(max_calibration_error=0.05), "max_calibration_error").verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.3, "pass"), (0.1, 0.4, "inconclusive"), (0.31, 0.4, "fail")]
)
def test_no_sub_population_may_surely_be_worse_than_the_limit(low: float, high: float, verdict: str) -> None:
    worst = Interval((low + high) / 2, low, high)
    asked = rules(max_slice_loss=0.3)
    looked = report(slices=Slices(tried=100, smallest=30, worst=worst, worst_rule="size < 3"))
    named = report(slices=Slices(named=(Slice("size < 3", 50, worst, 0.1, Interval(0.1, 0.0, 0.2)),)))
    for found in (looked, named):
        assert check(found, asked, "max_slice_loss").verdict == verdict
        assert gate(found, asked).outcome == ("fail" if verdict == "fail" else "pass")
    assert check(report(), asked, "max_slice_loss").verdict == "inconclusive"


def test_few_rows_are_inconclusive_however_good() -> None:
    assert gate(report(rows=29), rules()).outcome == "inconclusive"
    assert gate(report(rows=30), rules()).outcome == "pass"
    assert gate(report(rows=199), rules(min_rows=200)).outcome == "inconclusive"


def test_what_is_switched_off_is_not_checked_and_the_report_says_so() -> None:
    off = GateSettings(min=False, beats=False, no_worse_than=False, parity=False)
    asked = msgspec.structs.replace(rules(), gate=off)
    bad = report(parity=None, baselines=(against(1, 1, 1),), champion=against(1, 1, 1, "champion"))
    assert [c.name for c in gate(bad, asked).checks] == ["rows"]
    assert switched_off(off) == ("min", "beats", "no_worse_than", "parity")
    assert switched_off(GateSettings()) == ()
