"""What is decided: by example, and the rules that no situation may break."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.events import Decision, Finding
from fairlead.contract.evidence import Interval
from fairlead.contract.settings import ModelSettings, RetrainSettings, Settings
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.policy import COOL_DOWN, triggers_of
from fairlead.ops.flow.situation import Candidate, Live, Situation, Spent, Trial
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
    # A person gave it another chance: where it fails again it goes again, which is another decision.
    later = msgspec.structs.replace(sick, champion=msgspec.structs.replace(sick.champion, released_at=5 * DAY))
    assert decide(later, [], project(), 6 * DAY)[0].id != found[0].id
    assert decide(sick, [], project(), 6 * DAY)[0].id == found[0].id


def test_a_trigger_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigInvalid, match=r"(?s)unknown trigger.*max_age:90d"):
        triggers_of(project("sometimes"))
    with pytest.raises(ConfigInvalid, match="no span of time"):
        triggers_of(project("every:often"))


def renewing(*when: str, **more: object) -> Settings:
    """A project with further settings of `[retrain]`."""
    base = project(*when)
    return msgspec.structs.replace(base, retrain=msgspec.structs.replace(base.retrain, **more))


def test_concept_and_estimates_retrain_only_when_asked_to() -> None:
    for word, area in (("concept", "concept_drift"), ("estimated", "estimated")):
        seen = [finding(area, "change", severity="warning")]
        assert acts(decide(CALM, seen, project(), DAY)) == []
        assert acts(decide(CALM, seen, project(word), DAY)) == ["retrain"]
        told = [msgspec.structs.replace(seen[0], severity="info")]
        assert acts(decide(CALM, told, project(word), DAY)) == []


def test_labels_that_came_are_learned_from() -> None:
    for count, expected in ((4999, []), (5000, ["retrain"])):
        some = msgspec.structs.replace(CALM, new_labels=count)
        assert acts(decide(some, [], project("labels:5000"), DAY)) == expected


def test_the_calendar_names_its_moment_in_the_zone_of_the_project() -> None:
    sunday = 3 * DAY + 3 * 3600.0  # 1970-01-04 was a Sunday
    assert acts(decide(CALM, [], project("at:Sun 03:00"), sunday - 1)) == []
    (asked,) = decide(CALM, [], project("at:Sun 03:00"), sunday)
    assert (asked.action, asked.details["trigger"]) == ("retrain", "at")
    after = msgspec.structs.replace(CALM, last_retrain_at=sunday)
    assert acts(decide(after, [], project("at:Sun 03:00"), sunday + 6 * DAY)) == []


def test_staying_has_to_cost_more_than_a_retraining_and_surely_something() -> None:
    rules = renewing("cost", price=100.0, worth=0.5)
    loses = msgspec.structs.replace(CALM, excess=Interval(0.02, 0.01, 0.03), rows_per_day=500.0)
    (asked,) = decide(loses, [], rules, DAY)  # 0.02 * 500 * 30 * 0.5 = 150
    assert asked.action == "retrain"
    assert "staying costs about 150 (75 to 225) in 30 days" in asked.why
    unsure = msgspec.structs.replace(loses, excess=Interval(0.02, -0.01, 0.05))
    cheap = msgspec.structs.replace(loses, rows_per_day=300.0)
    assert not acts(decide(unsure, [], rules, DAY))
    assert not acts(decide(cheap, [], rules, DAY))


def test_the_budget_of_compute_holds_a_retraining_back_and_says_so() -> None:
    twice = msgspec.structs.replace(CALM, spent=Spent(2, 7000.0, 3500.0))
    for rules, said in (
        (renewing(max_per_month=2), "2 retrainings in 30 days are all"),
        (renewing(cpu_hours_per_month=2.5), "one more would take about 0.97"),
    ):
        found = decide(twice, [BROKEN], rules, DAY)
        assert [d.action for d in found] == ["alert", "hold"]
        assert said in found[1].why
        assert "although a retraining is asked for: promise is off" in found[1].why
    assert acts(decide(twice, [BROKEN], renewing(max_per_month=3, cpu_hours_per_month=3.0), DAY)) == ["retrain"]


def test_labels_that_follow_from_the_answers_teach_nothing() -> None:
    doubtful = finding("labels", "labels_told", severity="warning")
    found = decide(CALM, [BROKEN, doubtful], project(), DAY)
    assert [d.action for d in found] == ["alert", "alert", "hold"]
    assert "nothing is learned from these labels (labels_told is off), although a retraining" in found[2].why
    assert acts(decide(CALM, [BROKEN, doubtful], renewing(guard=False), DAY)) == ["retrain"]
    told = msgspec.structs.replace(doubtful, severity="info")
    assert acts(decide(CALM, [BROKEN, told], project(), DAY)) == ["retrain"]


@pytest.mark.parametrize(
    ("cool_down", "windows", "days", "fires"),
    [("2windows", 2, 99, False), ("2windows", 3, 0, True), ("14d", 9, 13, False), ("14d", 0, 14, True)],
)
def test_after_a_retraining_it_cools_down(cool_down: str, windows: int, days: float, fires: bool) -> None:
    young = msgspec.structs.replace(CALM, last_retrain_at=0.0, last_retrain_window=CALM.scored_window - windows)
    assert acts(decide(young, [BROKEN], renewing(cool_down=cool_down), days * DAY)) == (["retrain"] if fires else [])


def test_in_a_freeze_nothing_is_tried_or_promoted_and_what_protects_goes_on() -> None:
    frozen = msgspec.structs.replace(CALM, frozen=(3 * DAY, "Fri 16:00 - Mon 08:00"))
    waiting = msgspec.structs.replace(frozen, candidate=Candidate("b2", DAY, version=4))
    (held,) = decide(waiting, [], project(), DAY)
    assert held.action == "hold"
    assert "until Sun 1970-01-04 00:00 (rollout.freeze: Fri 16:00 - Mon 08:00)" in held.why
    proven = msgspec.structs.replace(frozen, rollout=Trial("b2", DAY, PASS))
    (held,) = decide(proven, [], project(), 2 * DAY)
    assert (held.action, "promoted later" in held.why) == ("hold", True)
    for trial in (Trial("b2", DAY, FAIL), Trial("b2", DAY, OPEN, guardrails=("errors",))):
        assert acts(decide(msgspec.structs.replace(frozen, rollout=trial), [], project(), 2 * DAY)) == ["end_rollout"]
    sick = msgspec.structs.replace(frozen, guardrails=("errors 4 %",))
    assert acts(decide(sick, [], project(), DAY)) == ["roll_back"]
    assert acts(decide(frozen, [BROKEN], project(), DAY)) == ["retrain"]


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
    frozen=st.sampled_from([None, (500 * DAY, "Fri 16:00 - Mon 08:00")]),
    spent=st.sampled_from([Spent(), Spent(5, 9000.0, 1800.0)]),
    new_labels=st.sampled_from([0, 6000]),
)  # fmt: skip
found = st.lists(
    st.sampled_from(
        [BROKEN, finding("data_drift", "drift"), finding("quality", "missing"), finding("performance", model="x")]
    ),
    unique_by=lambda f: f.id,
)
projects = st.builds(
    lambda when, approve: project(*when, approve=approve),
    st.lists(
        st.sampled_from(["performance", "drift", "labels:5000", "max_age:90d", "every:30d", "at:03:00"]),
        min_size=1,
        unique=True,
    ),
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
        assert situation.frozen is None
    if action == "canary":
        assert trial is None
        assert situation.frozen is None
    if action == "roll_back":
        assert situation.guardrails
        assert situation.previous is not None
