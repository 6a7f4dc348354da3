"""A recommendation follows from evidence, says which, and may be that nothing is to change or nothing is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.evidence import Interval
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.ops.rehearse.recommending import recommend, settings_of
from fairlead.ops.rehearse.results import Difference, Sensitivity

SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y", time="at"))
WEEK = 7 * 86_400.0


def difference(name: str, value: float, half: float, fits: int = 0, judged: Any = "inconclusive") -> Difference:
    """A policy that is better by `value`, give or take."""
    error = Interval(value, value - half, value + half)
    return Difference(name, "project", error, error, judged, 0, fits, 0.0, 0)


def asked(*differences: Difference, enough: bool = True, sensitivity: tuple[Sensitivity, ...] = ()) -> Any:
    """What follows, for a project whose error is 10 and which asks for 40 fits."""
    return recommend(
        SETTINGS, differences, error=10.0, fits=40, unit="minutes", enough=enough, window_s=WEEK,
        every_s={"scheduled": 8 * WEEK}, sensitivity=sensitivity,
    )  # fmt: skip


def budget(value: float, alarms: float, half: float = 0.1) -> Sensitivity:
    """Alarms a month on clean copies."""
    return Sensitivity(value, Interval(alarms, alarms - half, alarms + half), None, None, None, None)


def test_what_is_surely_better_is_recommended_by_the_setting_that_makes_it_so() -> None:
    told = asked(difference("scheduled", 2.0, 1.0), difference("window:last:4", 1.0, 0.5))
    assert (told.verdict, told.policy) == ("change", "scheduled")
    assert settings_of(told) == {"retrain.when": ["every:56d"]}
    assert told.changes[0].was == ["performance", "max_age:90d"]
    assert "surely better" in told.evidence[0]
    assert "[+1, +3]" in told.evidence[0]
    assert settings_of(asked(difference("window:last:4", 1.0, 0.5))) == {"retrain.window": "last:4"}
    assert settings_of(asked(difference("performance", 1.0, 0.5))) == {"retrain.when": ["performance", "max_age:91d"]}


def test_half_the_work_is_worth_a_change_where_nothing_is_lost() -> None:
    told = asked(difference("never", 0.0, 0.05, fits=-39))
    assert (told.verdict, settings_of(told)) == ("change", {"retrain.when": []})
    assert "no worse" in told.evidence[0]
    assert asked(difference("never", 0.0, 0.05, fits=-10)).verdict == "no change"


def test_no_change_and_inconclusive_are_answers() -> None:
    assert asked(difference("scheduled", -3.0, 1.0)).verdict == "no change"
    unsure = asked(difference("scheduled", 0.5, 1.0))
    assert unsure.verdict == "inconclusive"
    assert "not excluded" in unsure.evidence[0]
    assert asked(difference("scheduled", 3.0, 1.0), enough=False).verdict == "inconclusive"
    assert asked(difference("scheduled", 0.05, 0.01)).verdict == "no change"
    # What always behaves as the project does says nothing about a change.
    assert asked(difference("performance", 0.0, 0.0, judged="same")).verdict == "inconclusive"


def test_what_no_setting_makes_of_the_project_is_told_all_the_same() -> None:
    told = asked(difference("always", 2.0, 1.0, fits=30), difference("never", -5.0, 1.0))
    assert told.verdict == "no change"
    assert any("without gate or canary gains more" in line for line in told.evidence)


def test_a_smaller_budget_where_the_one_in_force_is_surely_broken() -> None:
    kept = asked(difference("never", -5.0, 1.0), sensitivity=(budget(0.5, 0.4), budget(1.0, 0.9)))
    assert kept.verdict == "no change"
    broken = asked(difference("never", -5.0, 1.0), sensitivity=(budget(0.25, 1.1), budget(0.5, 1.2), budget(1.0, 1.4)))
    assert (broken.verdict, settings_of(broken)) == ("no change", {})
    assert any("no smaller budget" in line for line in broken.evidence)
    less = asked(difference("never", -5.0, 1.0), sensitivity=(budget(0.25, 0.2), budget(0.5, 0.5), budget(1.0, 1.4)))
    assert (less.verdict, settings_of(less)) == ("change", {"monitor.false_alarms_per_month": 0.5})


@given(
    gains=st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 5), st.integers(-40, 40)), min_size=1, max_size=3),
)
def test_nothing_is_changed_for_what_may_be_worse(gains: list[tuple[float, float, int]]) -> None:
    names = ("never", "scheduled", "window:last:4")
    told = asked(*[difference(n, *gain) for n, gain in zip(names, gains, strict=False)])
    if told.verdict == "change":
        chosen = dict(zip(names, gains, strict=False))[told.policy]
        assert chosen[0] - chosen[1] > -0.1
    else:
        assert told.changes == ()


@pytest.mark.parametrize("count", [0, 1])
def test_without_other_policies_nothing_is_known(count: int) -> None:
    differences = [difference("always", 1.0, 0.1)][:count]
    assert asked(*differences).verdict == "inconclusive"
