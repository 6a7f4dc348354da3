"""Several challengers, least days, growth, bandits and pilots: what is decided, by example."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.events import Decision, Finding
from fairlead.contract.settings import ModelSettings, RolloutSettings, Settings
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.situation import Live, Situation, Trial
from fairlead.ops.rollout import judge

DAY = 86_400.0
FAIL, PASS = judge(np.full(200, 0.3), 0.01), judge(np.full(200, -0.3), 0.01)
BETTER, OPEN = judge(np.full(200, -0.4), 0.01), judge(np.zeros(3), 0.01)
CALM = Situation(model="m", champion=Live("b1", 0.0, 0.0, 1), previous=Live("b0", -1.0, -1.0, 0))


def decided(situation: Situation, days: float = 2.0, **rollout: Any) -> Decision:
    """The one decision about trials."""
    model = ModelSettings(name="m", task="classification", target="y", time="at")
    settings = Settings(model=model, rollout=RolloutSettings(**rollout))
    (found,) = decide(situation, list[Finding](), settings, days * DAY)
    return found


def tried(first: Trial, *others: Trial) -> Situation:
    return msgspec.structs.replace(CALM, rollout=first, others=others)


def trial(bundle: str, verdict: Any, **more: Any) -> Trial:
    return Trial(bundle, 0.0, verdict, version=int(bundle[1:]), **more)


def test_what_fails_goes_first_and_alone() -> None:
    found = decided(tried(trial("b2", PASS), trial("b3", FAIL)))
    assert (found.action, found.details["version"]) == ("end_rollout", 3)
    broken = trial("b4", None, guardrails=("errors (too many)",))
    found = decided(tried(trial("b2", OPEN), broken))
    assert (found.action, found.details["version"], found.details["guardrails"]) == (
        "end_rollout", 4, ["errors (too many)"],
    )  # fmt: skip


def test_the_best_of_those_that_passed_is_promoted_once_none_is_open() -> None:
    assert decided(tried(trial("b2", PASS), trial("b3", OPEN))).action == "hold"
    found = decided(tried(trial("b2", PASS), trial("b3", BETTER)))
    assert (found.action, found.details["version"]) == ("promote", 3)
    assert "the best of 2" in found.why
    # At the end of its time who has passed need not wait for who has not.
    late = decided(tried(trial("b2", PASS), trial("b3", OPEN)), days=28)
    assert (late.action, late.details["version"]) == ("promote", 2)


def test_nothing_is_promoted_before_the_least_days() -> None:
    early = decided(tried(trial("b2", PASS)), days=3, min_days=7.0)
    assert early.action == "hold"
    assert "7 days at the earliest" in early.why
    assert decided(tried(trial("b2", PASS)), days=7, min_days=7.0).action == "promote"
    # What fails does not wait.
    assert decided(tried(trial("b2", FAIL)), days=1, min_days=7.0).action == "end_rollout"


def test_a_share_grows_with_its_reason_and_not_in_a_freeze() -> None:
    grows = trial("b2", OPEN, weight=0.05, next_weight=0.2)
    found = decided(tried(grows))
    assert (found.action, found.details["weights"]) == ("weigh", {"2": 0.2, "1": 0.8})
    assert "grows from 5% to 20%" in found.why
    frozen = msgspec.structs.replace(tried(grows), frozen=(9 * DAY, "Fri 16:00 - Mon 08:00"))
    assert decided(frozen).action == "hold"
    further = msgspec.structs.replace(grows, weight=0.2, next_weight=0.5)
    assert decided(tried(further)).id != found.id


def test_a_bandits_shares_are_published_with_a_new_draw() -> None:
    found = decided(tried(trial("b2", OPEN, mode="bandit", weights={1: 0.3, 2: 0.7})))
    assert (found.action, found.details["weights"], found.details["anew"]) == ("weigh", {"1": 0.3, "2": 0.7}, True)


@pytest.mark.parametrize(("verdict", "over", "action"), [
    (PASS, False, "hold"), (OPEN, False, "hold"), (FAIL, False, "end_rollout"), (PASS, True, "end_rollout"),
])  # fmt: skip
def test_a_pilot_ends_at_its_date_or_by_harm_and_promotes_nothing(verdict: Any, over: bool, action: str) -> None:
    found = decided(tried(trial("b2", verdict, mode="pilot", over=over)))
    assert found.action == action


def test_a_champion_that_fails_goes_back_whoever_is_tried() -> None:
    failing = msgspec.structs.replace(tried(trial("b2", PASS)), guardrails=("loss (worse)",))
    found = decided(failing)
    assert (found.action, found.details["bundle"]) == ("roll_back", "b0")
