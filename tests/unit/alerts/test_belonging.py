"""Which findings belong together, whatever order and however often they are looked at."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.events import Cause, Finding
from fairlead.contract.evidence import Interval
from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.belonging import RETURNS, Known, belongs, group, trend_of
from fairlead.ops.alerts.evidence import crowds_of, evidence
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.state import State

DAY = 86_400.0


def finding(id: str, area: Any = "data_drift", window: int = 3, columns: tuple[str, ...] = (), **more: Any) -> Finding:
    told: dict[str, Any] = {
        "check": "drift", "since": window * DAY, "size": 0.3, "low": 0.2, "high": 0.4, "unit": "distance",
        "message": f"{', '.join(columns) or area} moved", "evidence": {"limit": 0.1},
    }  # fmt: skip
    return Finding(id=id, model="churn", area=area, window=window, columns=columns, **{**told, **more})


def cause(name: str, weight: float = 0.8, kind: Any = "column") -> Cause:
    return Cause(kind, name, weight, "it moved")


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db")


def settled(state: State, *findings: Finding, now: float = 0.0) -> list[Incident]:
    for one in findings:
        state.put_finding(one)
    bring_up_to_date(state, now)
    return state.incidents(standing=False)


def test_many_columns_at_once_are_one_incident(state: State) -> None:
    found = [finding(f"f{n}", columns=(f"c{n}",)) for n in range(8)]
    (incident,) = settled(state, *found)
    assert sorted(incident.open) == [f"f{n}" for n in range(8)]
    assert incident.title.startswith("data drift: ")
    assert [e.kind for e in state.entries(incident.id)] == ["begun"] + ["joined"] * 7


def test_a_repeated_pass_changes_nothing(state: State) -> None:
    (before,) = settled(state, finding("a", columns=("x",)), finding("b", columns=("x", "y")))
    lines = state.entries(before.id)
    assert bring_up_to_date(state, 99.0) == []
    assert settled(state, now=100.0) == [before]
    assert state.entries(before.id) == lines


def test_a_stuck_sensor_and_a_changed_concept_of_one_week_are_two(state: State) -> None:
    stuck = finding("s", "quality", columns=("hum",), check="stuck", akin=("weathersit",))
    drift = finding("d", columns=("hum",))
    scores = finding("m", "score_drift", columns=("prediction",), causes=(cause("hum"),))
    little = (cause("concept", 0.95, "time"), cause("hum", 0.05))
    broken = finding("p", "performance", check="promise", severity="critical", causes=little)
    changed = finding("c", "concept_drift", check="concept", causes=(cause("concept", kind="time"),))
    told = settled(state, stuck, drift, scores, broken, changed)
    assert sorted(map(set, (i.open for i in told)), key=len) == [{"p", "c"}, {"s", "d", "m"}]
    assert {i.title for i in told} == {"performance and concept drift", "data quality, data drift and more: hum"}


def test_a_drifted_feature_the_scores_and_the_loss_that_it_explains_are_one(state: State) -> None:
    drift = finding("d", columns=("temp",))
    scores = finding("m", "score_drift", columns=("prediction",), causes=(cause("temp", 0.9),))
    broken = finding("p", "performance", check="promise", causes=(cause("temp", 0.6), cause("concept", 0.4, "time")))
    (incident,) = settled(state, drift, scores, broken)
    assert set(incident.open) == {"d", "m", "p"}


def test_two_columns_of_one_window_are_two_unless_they_go_together(state: State) -> None:
    settled(state, finding("a", columns=("temp",), akin=("atemp",)), finding("b", columns=("wind",)))
    first, second = settled(state, finding("c", window=5, columns=("atemp",)))
    assert (first.open, second.open) == (("a", "c"), ("b",))
    assert [e.text for e in state.entries(first.id)][1].endswith("(columns that go together)")


def test_what_began_before_a_window_did_not_begin_in_it(state: State) -> None:
    """What lasts is seen in every window; a beginning is one of them."""
    lasting = finding("a", "traffic", window=7, check="volume", since=3 * DAY, begun=3)
    assert len(settled(state, lasting, finding("b", "late", window=7, check="silence"))) == 2
    assert len(settled(state, finding("c", "traffic", window=7, check="daily_shape"))) == 2


def test_a_challenger_is_one_whoever_blames_it(state: State) -> None:
    """The machine by its name, the rule by its version."""
    fails = finding("e", "code", -1, check="limit_errors", causes=(cause("challenger (version 2)", kind="version"),))
    ended = finding("t", "code", -1, check="trial_failed", causes=(cause("2", 1.0, "version"),))
    (incident,) = settled(state, fails, ended)
    other = finding("u", "code", -1, check="trial_failed", causes=(cause("5", 1.0, "version"),))
    assert len(settled(state, other)) == 2
    assert set(incident.open) == {"e", "t"}


def test_a_note_about_two_incidents_does_not_make_them_one(state: State) -> None:
    settled(state, finding("a", columns=("x",)), finding("b", columns=("y",)))
    first, second = settled(state, finding("i", columns=("x", "y"), severity="info"))
    assert not first.merged_into
    assert not second.merged_into
    assert len(settled(state, finding("c", columns=("y",), check="missing"))) == 2, "nor does what is like the note"


def test_a_broken_sensor_moves_no_column_that_goes_with_it(state: State) -> None:
    stuck = finding("s", "quality", columns=("total",), check="unit", akin=("monthly",))
    assert len(settled(state, stuck, finding("d", columns=("monthly",), akin=("total",)))) == 2


def test_how_two_columns_go_together_joins_one_and_bridges_none(state: State) -> None:
    """A unit changed in one of them: the other is as it was, and what is wrong with it is another matter."""
    refused = finding("r", "quality", columns=("total",), check="refused")
    unit = finding("u", "quality", columns=("monthly",), check="unit")
    pair = finding("p", columns=("monthly", "total"), check="correlation")
    told = settled(state, refused, unit, pair)
    assert sorted(len(i.open) for i in told) == [1, 2]
    assert not any(i.merged_into for i in told)
    later = settled(state, finding("q", window=5, columns=("total", "monthly"), check="correlation"))
    assert len(later) == 2


def test_what_joins_with_a_column_that_was_not_told_is_told(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    (grown,) = settled(state, finding("b", window=5, columns=("y",), akin=("x",)), now=2.0)
    assert (grown.worsened, grown.severity) == (1, "warning")
    assert settled(state, finding("c", window=6, columns=("y",), check="other"), now=3.0)[0].worsened == 1


def test_what_is_about_no_column_is_about_those_that_explain_it(state: State) -> None:
    strange = finding("r", "requests", causes=(cause("price", 0.8), cause("weight", 0.1)))
    (incident,) = settled(state, strange, finding("d", columns=("price",), severity="info"))
    assert incident.columns == ("price",)


def test_a_note_speaks_for_no_incident(state: State) -> None:
    """A verdict that is inconclusive joins by its column: it makes the incident no graver and names nothing in it."""
    settled(state, finding("a", "quality", columns=("season",)), now=1.0)
    note = finding(
        "i", "concept_drift", columns=("season", "mnth"), severity="info", causes=(cause("wind", 1.0),), size=99.0
    )
    settled(state, note, now=2.0)
    state.close_finding("a", 4 * DAY)
    (over,) = settled(state, now=3.0)
    assert (over.title, over.areas, over.causes, over.worsened) == ("data quality: season", ("quality",), (), 0)
    assert set(over.findings) == {"a", "i"}


def test_labels_of_another_meaning_and_the_loss_measured_with_labels_are_one(state: State) -> None:
    switched = finding("d", "definition", check="definition:v2", causes=(cause("v2", 1.0, "definition"),))
    broken = finding("p", "performance", check="promise", causes=(cause("concept", 1.0, "time"),))
    assert len(settled(state, switched, broken)) == 1


def test_what_is_far_apart_is_not_mixed(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    both = settled(state, finding("b", window=9, columns=("y",)), now=2.0)
    assert [i.open for i in both] == [("a",), ("b",)]


def test_performance_joins_the_columns_that_its_causes_name(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    broken = finding("p", "performance", 7, check="promise", severity="critical", causes=(cause("x"),), since=5 * DAY)
    (incident,) = settled(state, broken, now=2.0)
    assert incident.severity == "critical"
    assert incident.worsened == 1
    assert [e.kind for e in state.entries(incident.id)] == ["begun", "joined", "worse"]
    assert incident.title.startswith("performance and data drift: x")


def test_a_later_drop_without_a_shared_cause_is_an_incident_of_its_own(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    broken = finding("p", "performance", 9, check="promise", causes=(cause("concept", kind="time"),))
    assert len(settled(state, broken, now=2.0)) == 2


def test_a_disk_and_a_column_are_two_things(state: State) -> None:
    disk = finding("d", "infrastructure", check="disk", since=3 * DAY)
    assert len(settled(state, finding("a", columns=("x",)), disk)) == 2


def test_what_joins_two_incidents_by_their_columns_makes_them_one(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    settled(state, finding("b", window=9, columns=("y",)), now=2.0)
    first, second = settled(state, finding("c", window=20, columns=("x", "y")), now=3.0)
    assert second.merged_into == first.id
    assert second.state == "resolved"
    assert set(first.open) == {"a", "b", "c"}
    assert "incident #2 turned out to be part of this one" in [e.text for e in state.entries(first.id)]
    assert {row.finding.id for row in state.incident_findings(first.id)} == {"a", "b", "c"}
    assert bring_up_to_date(state, 4.0) == []


def test_what_ends_is_resolved_and_what_comes_back_soon_opens_it_again(state: State) -> None:
    settled(state, finding("a", columns=("x",)), now=1.0)
    state.close_finding("a", 4 * DAY)
    (over,) = settled(state, now=2.0)
    assert (over.state, over.ended, over.closed_at) == ("resolved", 4 * DAY, 2.0)
    (back,) = settled(state, finding("a2", window=5, columns=("x",)), now=3.0)
    assert (back.state, back.rounds, back.number) == ("open", 1, 1)
    state.close_finding("a2", 6 * DAY)
    settled(state, now=4.0)
    late = finding("a3", window=5 + RETURNS + 1, columns=("x",))
    assert len(settled(state, late, now=5.0)) == 2, "after long it is another time"


def test_a_note_begins_nothing_and_joins_what_it_is_like(state: State) -> None:
    assert settled(state, finding("i", columns=("x",), severity="info")) == []
    (incident,) = settled(state, finding("a", columns=("x",)))
    assert (set(incident.findings), incident.open) == ({"a", "i"}, ("a",))
    state.close_finding("a", 4 * DAY)
    assert [i.state for i in settled(state)] == ["resolved"], "it keeps no incident open"
    assert bring_up_to_date(state, 9.0) == []
    graver = finding("i", columns=("x",), severity="warning", window=6)
    (back,) = settled(state, graver)
    assert (back.state, back.open, back.rounds) == ("open", ("i",), 1)


def test_what_was_called_expected_takes_nothing_in(state: State) -> None:
    (incident,) = settled(state, finding("a", columns=("x",)))
    state.put_incident(msgspec.structs.replace(incident, state="expected"))
    assert len(settled(state, finding("b", columns=("x", "z")))) == 2


def test_an_acknowledged_incident_that_gets_worse_is_open_again(state: State) -> None:
    (incident,) = settled(state, finding("a", columns=("x",)))
    state.put_incident(msgspec.structs.replace(incident, state="acknowledged", acknowledged_by="anna"))
    (worse,) = settled(state, finding("b", columns=("x",), check="missing", severity="critical"))
    assert (worse.state, worse.acknowledged_by, worse.severity) == ("open", "", "critical")


def test_a_snooze_ends_by_itself(state: State) -> None:
    (incident,) = settled(state, finding("a", columns=("x",)))
    state.put_incident(msgspec.structs.replace(incident, state="snoozed", snoozed_until=50.0))
    assert settled(state, now=49.0)[0].state == "snoozed"
    assert settled(state, now=51.0)[0].state == "open"


def test_hundreds_of_findings_are_counted_and_a_few_named(state: State) -> None:
    (incident,) = settled(state, *[finding(f"f{n}", columns=(f"c{n}",)) for n in range(150)])
    assert (len(incident.findings), incident.more, len(incident.columns)) == (100, 50, 100)


def test_the_trend_follows_the_findings_and_is_bounded(state: State) -> None:
    one = finding("a", columns=("x",))
    (incident,) = settled(state, one)
    for window in range(4, 104):
        trend = trend_of(incident, msgspec.structs.replace(one, size=window / 100), window * DAY)
        incident = msgspec.structs.replace(incident, trend=trend)
    assert trend.points[-1] == (103 * DAY, 1.03)
    assert (len(trend.points), trend.limit) == (64, 0.1)
    assert trend_of(incident, one, 103 * DAY) == trend, "a repeated pass adds nothing"


def test_the_dearest_and_likeliest_are_told_of_all(state: State) -> None:
    dear = finding(
        "a", columns=("x",), cost=Interval(0.2, 0.1, 0.3), cost_in="loss", causes=(cause("x", 0.4),), first=300.0
    )
    cheap = finding(
        "b", columns=("y",), cost=Interval(0.1, 0.0, 0.2), cost_in="loss", causes=(cause("x", 0.9),), first=240.0
    )
    (incident,) = settled(state, dear, cheap)
    assert incident.cost == Interval(0.2, 0.1, 0.3)
    assert incident.causes == (cause("x", 0.9),)
    assert incident.first == 240.0, "of the clearest"


columns = st.lists(st.sampled_from("uvwxyz"), max_size=2, unique=True).map(tuple)
areas = st.sampled_from(
    ["data_drift", "quality", "score_drift", "performance", "traffic", "late", "definition", "infrastructure", "code"]
)
causes = st.lists(
    st.builds(
        cause, st.sampled_from("xyz"), st.sampled_from([0.1, 0.5]), st.sampled_from(["column", "time", "source"])
    ),
    max_size=2,
).map(tuple)
drawn = st.builds(
    lambda n, area, window, names, grave, named, akin: finding(
        f"f{n}", area, window, names, severity=grave, causes=named, akin=akin, check=f"{area}-check"
    ),
    st.integers(0, 10**6), areas, st.integers(0, 3), columns, st.sampled_from(["info", "warning", "critical"]), causes,
    columns,
)  # fmt: skip


@given(drawn, drawn)
def test_evidence_is_the_same_from_both_sides(one: Finding, other: Finding) -> None:
    assert evidence(one, other) == evidence(other, one)
    assert evidence(one, one) or not one.columns


@given(st.lists(drawn, max_size=8, unique_by=lambda f: f.id), st.randoms(use_true_random=False))
def test_what_belongs_together_does_not_depend_on_when_it_is_told(found: list[Finding], random: Any) -> None:
    """All at once, or one after the other in any order: the parts are those that evidence joins."""
    alarms = [f for f in found if f.severity != "info"]
    at_once = group((), alarms, {}, 5.0, 1)
    whole = {frozenset(i.findings) for i in at_once.incidents if not i.merged_into}
    assert whole == joined_by_hand(alarms)
    random.shuffle(alarms)
    standing: dict[str, Incident] = {}
    members: dict[str, list[Known]] = {}
    for one in alarms:
        done = group(list(standing.values()), [one], members, 5.0, len(standing) + 1)
        standing |= {i.id: i for i in done.incidents}
        by_id = {f.id: f for f in alarms}
        members = {i.id: [Known(by_id[f], None) for f in i.findings] for i in standing.values() if not i.merged_into}
        members |= {i.id: [] for i in standing.values() if i.merged_into}
    assert {frozenset(i.findings) for i in standing.values() if not i.merged_into} == whole


def joined_by_hand(found: list[Finding]) -> set[frozenset[str]]:
    """The parts of a graph whose edges are evidence."""
    crowds = crowds_of(found)
    parts = [{f.id} for f in found]
    for one, other in itertools.combinations(found, 2):
        if evidence(one, other, crowds):
            first, second = (next(p for p in parts if f.id in p) for f in (one, other))
            if first is not second:
                parts.remove(second)
                first |= second
    return {frozenset(p) for p in parts}


@given(st.lists(drawn, max_size=8, unique_by=lambda f: f.id), st.randoms(use_true_random=False))
def test_grouping_is_whole_and_does_not_depend_on_the_order(found: list[Finding], random: Any) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    first, second = (group((), part, {}, 5.0, 1) for part in (found, shuffled))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    homes = dict(first.joined)
    assert set(homes) <= {f.id for f in found}
    assert all(f.id in homes for f in found if f.severity != "info"), "every finding that warns belongs somewhere"
    standing = [i for i in first.incidents if not i.merged_into]
    members = list(itertools.chain.from_iterable(i.findings for i in standing))
    assert len(members) == len(set(members)), "to one incident at most"
    assert sorted(i.number for i in first.incidents) == list(range(1, len(first.incidents) + 1))


def test_another_models_finding_never_belongs(state: State) -> None:
    (incident,) = settled(state, finding("a", columns=("x",)))
    foreign = msgspec.structs.replace(finding("b", columns=("x",)), model="other")
    assert belongs(incident, [Known(finding("a", columns=("x",)), None)], foreign) == ""
