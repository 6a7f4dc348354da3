"""The gate's rules, each at its boundary."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Check, Interval
from fairlead.contract.settings import GateSettings, ModelSettings, Settings
from fairlead.lab.evaluate import Comparison, Report, gate
from fairlead.lab.evaluate.evidence import Gap
from fairlead.lab.evaluate.judging import switched_off

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
    [(0.74, "pass", "above the limit"), (0.78, "pass", "by chance it could have missed"), (0.8, "pass", "at the limit"),
     (0.81, "fail", "by chance it could have met"), (0.9, "fail", "below the limit")],
)  # fmt: skip
def test_a_minimum_is_met_or_not_by_what_was_measured(limit: float, verdict: str, words: str) -> None:
    found = check(report(), rules(min={"roc_auc": limit}), "min.roc_auc")
    assert found.verdict == verdict
    assert words in found.why


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, "pass"), (0.4, "pass"), (0.39, "fail")])
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
    [((-0.05, -0.1, 0.0), "pass"), ((0.01, 0.005, 0.02), "pass"), ((0.02, -0.01, 0.05), "inconclusive"),
     ((0.02, 0.001, 0.05), "fail")],
)  # fmt: skip
def test_the_champion_may_be_missed_by_the_margin(interval: tuple[float, float, float], verdict: str) -> None:
    found = report(champion=against(*interval, "champion"))
    assert check(found, rules(margin=0.01), "no_worse_than.champion").verdict == verdict


def test_without_a_champion_there_is_nothing_to_be_worse_than() -> None:
    assert "no_worse_than.champion" not in [c.name for c in gate(report(), rules()).checks]


@pytest.mark.parametrize(
    ("change", "verdict"), [({"flipped": 1}, "fail"), ({"max_difference": 1e-8}, "fail"), ({}, "pass")]
)
def test_the_compiled_model_must_decide_as_the_trained_one(change: dict[str, Any], verdict: str) -> None:
    assert check(report(parity={**PARITY, **change}), rules(), "parity").verdict == verdict
    assert check(report(parity=None), rules(), "parity").verdict == "inconclusive"


def test_groups_may_differ_up_to_the_limit() -> None:
    found = report(gaps=(Gap("sex", "positive rate", Interval(0.2, 0.1, 0.3), ()),))
    assert check(found, rules(("sex",), max_group_gap=0.2), "max_group_gap.sex").verdict == "pass"
    assert check(found, rules(("sex",), max_group_gap=0.19), "max_group_gap.sex").verdict == "fail"
    assert check(found, rules(("age",), max_group_gap=0.2), "max_group_gap.age").verdict == "inconclusive"
    assert gate(found, rules(max_group_gap=0.2)).outcome == "inconclusive"


def test_few_rows_are_inconclusive_however_good() -> None:
    assert gate(report(rows=29), rules()).outcome == "inconclusive"
    assert gate(report(rows=30), rules()).outcome == "pass"


def test_what_is_switched_off_is_not_checked_and_the_report_says_so() -> None:
    off = GateSettings(min=False, beats=False, no_worse_than=False, parity=False)
    asked = msgspec.structs.replace(rules(), gate=off)
    bad = report(parity=None, baselines=(against(1, 1, 1),), champion=against(1, 1, 1, "champion"))
    assert [c.name for c in gate(bad, asked).checks] == ["rows"]
    assert switched_off(off) == ("min", "beats", "no_worse_than", "parity")
    assert switched_off(GateSettings()) == ()
