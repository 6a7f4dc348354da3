"""The door by the clock: silences that are too long are told, nights are not; refusals are named by their reason."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ops.monitor.arrivals import RING, Lived, lived_on, refusals, silence

HOUR, DAY = 3600.0, 86_400.0
PASS_S = 300.0
A_MONTH = 0.015


def rate_at(now: float) -> float:
    """Requests an hour: busy days, hardly any at night."""
    hour = now / HOUR % 24
    return 40.0 if 8 <= hour < 20 else 0.5


def live(days: float, seed: int, start: float = 0.0, lived: Lived | None = None) -> tuple[Lived, int]:
    """Days of requests at random, looked at every five minutes; and in how many passes something was told."""
    rng = np.random.default_rng(seed)
    answered = lived.answered if lived is not None else 0
    told = 0
    for step in range(int(days * DAY / PASS_S)):
        now = start + step * PASS_S
        answered += int(rng.poisson(rate_at(now) * PASS_S / HOUR))
        lived = lived_on(lived, answered, {}, now)
        told += silence(lived, "m", A_MONTH) is not None
    assert lived is not None
    return lived, told


def test_nothing_is_told_in_weeks_with_nights_and_a_dead_feed_is_within_hours() -> None:
    lived, told = live(21.0, 0)
    assert told == 0
    now, found = lived.looked, None
    while found is None:
        now += PASS_S
        lived = lived_on(lived, lived.answered, {}, now)
        found = silence(lived, "m", A_MONTH)
    # It fell silent at midnight: the first hours of the morning tell.
    assert 8.0 < (now % DAY) / HOUR < 14.0
    assert found.check == "fresh"
    assert found.severity == "critical"
    assert found.evidence["lacking"] > found.evidence["limit"]
    assert silence(lived_on(lived, lived.answered + 1, {}, now + 1.0), "m", A_MONTH) is None


@pytest.mark.long
def test_false_alarms_of_silence_keep_to_their_part_of_the_budget() -> None:
    """Forty times four weeks of traffic that does not change: 0.6 are to be expected that tell anything at all."""
    assert sum(live(28.0, seed)[1] > 0 for seed in range(40)) <= 3


def test_a_door_that_has_not_been_lived_with_says_nothing() -> None:
    lived, _ = live(2.0, 1)
    assert silence(lived_on(lived, lived.answered, {}, lived.looked + 30 * DAY), "m", A_MONTH) is None


def test_refusals_are_told_by_reason_and_what_was_always_refused_is_not() -> None:
    lived = None
    answered, always = 0, 0
    for hour in range(48):
        answered, always = answered + 90, always + 10
        lived = lived_on(lived, answered, {"CellInvalid|age": always}, hour * HOUR)
    assert lived is not None
    assert refusals(lived, "m") == []
    lived = lived_on(lived, answered + 60, {"CellInvalid|age": always + 6, "ColumnMissing|plan": 34}, 48 * HOUR)
    (found,) = refusals(lived, "m")
    assert (found.check, found.columns) == ("refused:ColumnMissing", ("plan",))
    assert found.size == 0.34
    assert found.low <= found.size <= found.high
    assert found.first == 48 * HOUR
    assert "34 of 100 requests" in found.message
    assert found.severity == "warning"


def test_refusals_begin_when_the_first_one_was_and_not_days_ago_for_a_single_one_then() -> None:
    lived, met = None, "CellInvalid|age"
    for hour in range(49):
        # One stray refusal in the first hours; at half past the last hour a client begins that is always refused.
        refused = {} if hour < 3 else {met: 1} if hour < 48 else {met: 101}
        lived = lived_on(lived, hour * 100 if hour < 48 else 4720, refused, hour * HOUR + 1800.0 * (hour == 48))
    assert lived is not None
    (found,) = refusals(lived, "m", {met: 3 * HOUR})
    assert found.since == found.first == 48 * HOUR
    (found,) = refusals(lived, "m", {met: 48 * HOUR + 1700.0})
    assert found.since == found.first == 48 * HOUR + 1700.0
    assert (found.severity, found.size) == ("critical", 100 / 120)


def test_few_refusals_are_not_worth_a_word() -> None:
    lived = lived_on(lived_on(None, 0, {}, 0.0), 10, {"CellInvalid|age": 10}, HOUR)
    assert refusals(lived, "m") == []


def test_a_clock_that_was_wrong_for_a_while_does_not_close_the_eyes_until_then() -> None:
    lived, _ = live(7.0, 3)
    ahead = lived_on(lived, lived.answered + 5, {"CellInvalid|age": 2}, 7 * DAY + 400 * DAY)
    back = lived_on(ahead, ahead.answered + 7, {"CellInvalid|age": 42}, 7 * DAY + PASS_S)
    assert (back.looked, back.answered) == (7 * DAY + PASS_S, ahead.answered + 7)
    assert back.hours == ahead.hours
    assert max(map(int, back.ring), default=0) <= 7 * 24
    after = lived_on(back, back.answered + 10, {"CellInvalid|age": 142}, 7 * DAY + 2 * PASS_S)
    assert after.ring[str(7 * 24)] == (10, {"CellInvalid|age": 100})
    # A step of a few minutes is waited for.
    assert lived_on(after, after.answered + 1, {}, after.looked - 60.0) == after


def test_a_server_that_begins_anew_counts_from_nothing() -> None:
    lived = lived_on(lived_on(None, 1000, {"CellInvalid|a": 50}, 0.0), 30, {"CellInvalid|a": 3}, 60.0)
    assert sum(lived.week) == 33


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50), st.dictionaries(st.sampled_from(["a|b", "c|"]), st.integers(0, 9)), st.floats(0, 1e5)
        ),
        max_size=30,
    )
)
def test_whatever_is_counted_stays_bounded_and_never_negative(looks: list[tuple[int, dict[str, int], float]]) -> None:
    lived, now = None, 0.0
    for answered, refused, apart in looks:
        now += apart
        lived = lived_on(lived, answered, refused, now)
        silence(lived, "m", A_MONTH)
        refusals(lived, "m")
        lived = msgspec.json.decode(msgspec.json.encode(lived), type=Lived)
        assert min(lived.week) >= 0
        assert len(lived.silences) <= 20
        assert len(lived.ring) <= RING
        assert all(some >= 0 and min(reasons.values(), default=0) >= 0 for some, reasons in lived.ring.values())
