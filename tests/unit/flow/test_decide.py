"""What is decided: by example, and the rules that no situation may break."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.events import Decision, Finding
from fairlead.contract.settings import ModelSettings, RetrainSettings, Settings
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.policy import COOL_DOWN, triggers_of
from fairlead.ops.flow.situation import Candidate, Live, Situation, Trial
from fairlead.ops.rollout import RolloutVerdict, judge

DAY = 86_400.0
ACTS = {"retrain", "canary", "promote", "end_rollout", "roll_back"}


def project(*when: str, approve: str = "auto") -> Settings:
    """A project with these triggers."""
    retrain = RetrainSettings(when=when or ("performance", "max_age:90d"), approve=approve)  # type: ignore[arg-type]
    return Settings(model=ModelSettings(name="m", task="classification", target="y", time="at"), retrain=retrain)


def finding(area: str, check: str = "promise", model: str = "m", severity: str = "critical") -> Finding:
    """Something open."""
    name = f"{model}/{area}/{check}"
    return Finding(name, model, area, check, 3, 0.0, 0.1, 0.0, 0.2, "x", f"{check} is off", severity=severity)  # type: ignore[arg-type]


CALM = Situation(
    model="m", champion=Live("b1", 0.0, 0.0, 1), previous=Live("b0", -1.0, -1.0), scored_window=10, labelled_windows=11
)
BROKEN = finding("performance")
FAIL = judge(np.full(200, 0.3), 0.01)
PASS = judge(np.full(200, -0.3), 0.01)
OPEN = judge(np.zeros(3), 0.01)


def acts(decisions: list[Decision]) -> list[str]:
    """The actions apart from alerts and holds."""
    return [d.action for d in decisions if d.action in ACTS]


def test_nothing_found_nothing_done() -> None:
    assert decide(CALM, [], project(), DAY) == []


def test_a_broken_promise_alerts_and_retrains() -> None:
    found = decide(CALM, [BROKEN], project(), DAY)
    assert [d.action for d in found] == ["alert", "retrain"]
    assert found[1].findings == (BROKEN.id,)
    assert decide(CALM, [BROKEN], project(), 2 * DAY)[1].id == found[1].id


def test_drift_informs_and_retrains_only_when_asked_to() -> None:
    drift = finding("data_drift", "drift", severity="warning")
    assert acts(decide(CALM, [drift], project(), DAY)) == []
    assert acts(decide(CALM, [drift], project("drift"), DAY)) == ["retrain"]


def test_another_models_findings_are_not_ours() -> None:
    assert decide(CALM, [finding("performance", model="other")], project(), DAY) == []


@pytest.mark.parametrize(("when", "days", "fires"), [("max_age:90d", 91, True), ("max_age:90d", 89, False),
                                                     ("every:30d", 31, True), ("every:30d", 29, False)])  # fmt: skip
def test_age_and_calendar(when: str, days: float, fires: bool) -> None:
    assert acts(decide(CALM, [], project(when), days * DAY)) == (["retrain"] if fires else [])


def test_while_calibrating_the_calendar_stands_in() -> None:
    young = msgspec.structs.replace(CALM, calibrating=True)
    assert acts(decide(young, [], project("performance"), 27 * DAY)) == []
    assert acts(decide(young, [], project("performance"), 28 * DAY)) == ["retrain"]


def test_a_challenger_is_tried_promoted_or_ended() -> None:
    waiting = msgspec.structs.replace(CALM, candidate=Candidate("b2", DAY))
    assert acts(decide(waiting, [BROKEN], project(), DAY)) == ["canary"]
    outcomes = {FAIL: ["end_rollout"], PASS: ["promote"], OPEN: []}
    for verdict, expected in outcomes.items():
        trying = msgspec.structs.replace(CALM, rollout=Trial("b2", DAY, verdict))
        assert acts(decide(trying, [BROKEN], project(), 2 * DAY)) == expected
    useless = msgspec.structs.replace(CALM, rollout=Trial("b2", DAY, PASS, floor_holds=False))
    assert acts(decide(useless, [], project(), 2 * DAY)) == ["end_rollout"]
    skewed = msgspec.structs.replace(CALM, rollout=Trial("b2", DAY, PASS, mismatch="sample-ratio mismatch"))
    assert acts(decide(skewed, [], project(), 2 * DAY)) == ["end_rollout"]


def test_a_challenger_that_lacks_approvals_waits_for_them_and_is_tried_then() -> None:
    lacking = Candidate("b2", DAY, version=4, lacks=("Ann", "Ben"))
    (held,) = decide(msgspec.structs.replace(CALM, candidate=lacking), [], project(), DAY)
    assert held.action == "hold"
    assert "version 4 passed its gate and waits for approval by Ann, Ben" in held.why
    given = msgspec.structs.replace(CALM, candidate=msgspec.structs.replace(lacking, lacks=()))
    assert acts(decide(given, [], project(), DAY)) == ["canary"]


def test_at_the_end_of_its_days_an_undecided_one_needs_the_champions_alarm_and_the_floor() -> None:
    late = 40 * DAY
    trial = Trial("b2", DAY, OPEN, floor_holds=True)
    trying = msgspec.structs.replace(CALM, rollout=trial)
    found = decide(trying, [BROKEN], project(), late)
    assert acts(found) == ["promote"]
    assert found[-1].details["proven"] is False
    assert acts(decide(trying, [], project(), late)) == ["end_rollout"]
    bare = msgspec.structs.replace(CALM, rollout=msgspec.structs.replace(trial, floor_holds=None))
    assert acts(decide(bare, [BROKEN], project(), late)) == ["end_rollout"]


def test_a_person_approves_where_the_project_says_so() -> None:
    trying = msgspec.structs.replace(CALM, rollout=Trial("b2", DAY, PASS))
    found = decide(trying, [], project(approve="manual"), 2 * DAY)
    assert [d.action for d in found] == ["alert"]
    assert "a person has to promote" in found[0].why
    said_yes = msgspec.structs.replace(CALM, rollout=Trial("b2", DAY, PASS, approved=True))
    assert acts(decide(said_yes, [], project(approve="manual"), 2 * DAY)) == ["promote"]


def test_a_failing_guardrail_rolls_back() -> None:
    sick = msgspec.structs.replace(CALM, guardrails=("errors 4 %",))
    found = decide(sick, [], project(), DAY)
    assert acts(found) == ["roll_back"]
    assert found[0].details["bundle"] == "b0"


def test_a_trigger_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigInvalid, match=r"(?s)no trigger.*max_age:90d"):
        triggers_of(project("sometimes"))
    with pytest.raises(ConfigInvalid, match="no span of time"):
        triggers_of(project("every:often"))


verdicts = st.one_of(
    st.none(),
    st.builds(
        RolloutVerdict, outcome=st.sampled_from(["pass", "fail", "inconclusive"]), n=st.integers(0, 1000),
        mean=st.floats(-1, 1), low=st.floats(-1, 0), high=st.floats(0, 1), e_worse=st.floats(0, 100),
        needed=st.integers(-1, 1000), why=st.just("because"),
    ),
)  # fmt: skip
times = st.floats(0, 400 * DAY)
situations = st.builds(
    Situation,
    model=st.just("m"),
    champion=st.one_of(st.none(), st.builds(Live, st.just("b1"), times, times)),
    previous=st.one_of(st.none(), st.just(Live("b0", 0.0, 0.0))),
    candidate=st.one_of(st.none(), st.builds(Candidate, st.just("b2"), times)),
    rollout=st.one_of(
        st.none(),
        st.builds(
            Trial, st.just("b3"), times, verdicts, st.sampled_from([None, True, False]),
            st.sampled_from(["", "mismatch"]), st.sampled_from([(), ("errors",)]), st.booleans(),
        ),
    ),
    held=st.sampled_from(["", "pinned", "frozen", "rolled_back"]),
    guardrails=st.sampled_from([(), ("latency",)]),
    last_retrain_at=st.one_of(st.none(), times),
    last_retrain_window=st.one_of(st.none(), st.integers(0, 20)),
    scored_window=st.integers(-1, 22),
    labelled_windows=st.integers(0, 22),
    calibrating=st.booleans(),
)  # fmt: skip
found = st.lists(
    st.sampled_from(
        [BROKEN, finding("data_drift", "drift"), finding("quality", "missing"), finding("performance", model="x")]
    ),
    unique_by=lambda f: f.id,
)
projects = st.builds(
    lambda when, approve: project(*when, approve=approve),
    st.lists(st.sampled_from(["performance", "drift", "max_age:90d", "every:30d"]), min_size=1, unique=True),
    st.sampled_from(["auto", "manual"]),
)


@given(situations, found, projects, times)
@settings(max_examples=400, deadline=None)
def test_rules_that_no_situation_breaks(
    situation: Situation, open_: list[Finding], rules: Settings, now: float
) -> None:
    decisions = decide(situation, open_, rules, now)
    assert decisions == decide(situation, open_, rules, now)
    done = [d for d in decisions if d.action in ACTS]
    assert len(done) <= 1
    assert len({d.id for d in decisions}) == len(decisions)
    assert all(d.model == "m" and d.why for d in decisions)
    if situation.held or situation.champion is None:
        assert not done
    for decision in done:
        _check(decision.action, situation, rules)


def _check(action: str, situation: Situation, rules: Settings) -> None:
    trial = situation.rollout
    if action == "retrain":
        assert trial is None
        assert situation.candidate is None
        last = situation.last_retrain_window
        assert last is None or situation.scored_window - last > COOL_DOWN
    if action == "promote":
        assert trial is not None
        assert trial.verdict is not None
        assert trial.verdict.outcome != "fail"
        assert trial.floor_holds is not False
        assert not trial.mismatch
        assert not trial.guardrails
        assert rules.retrain.approve == "auto" or trial.approved
    if action == "canary":
        assert trial is None
    if action == "roll_back":
        assert situation.guardrails
        assert situation.previous is not None
