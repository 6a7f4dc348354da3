"""Recurring times: read as people write them, and kept at changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import UsageError
from fairlead.ops.project.calendar import DAYS, held_until, parse_moment, parse_span

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: object = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("span", "moment", "until"),
    [
        ("Fri 16:00 - Mon 08:00", "2026-11-21T12:00", "2026-11-23T08:00"),
        ("Fri 16:00 - Mon 08:00", "2026-11-20T15:59", None),
        ("Fri 16:00 - Mon 08:00", "2026-11-20T16:00", "2026-11-23T08:00"),
        ("Fri 16:00 - Mon 08:00", "2026-11-23T08:00", None),
        ("friday 16:00 to monday 8:00", "2026-11-22T23:59", "2026-11-23T08:00"),
        ("22:00 - 06:00", "2026-11-21T23:30", "2026-11-22T06:00"),
        ("22:00 - 06:00", "2026-11-21T05:30", "2026-11-21T06:00"),
        ("22:00 - 06:00", "2026-11-21T12:00", None),
        ("09:00 - 24:00", "2026-11-21T12:00", "2026-11-22T00:00"),
        ("12-20 - 01-05", "2026-12-31T12:00", "2027-01-06T00:00"),
        ("12-20 - 01-05", "2027-01-05T23:59", "2027-01-06T00:00"),
        ("12-20 - 01-05", "2027-01-06T00:00", None),
        ("02-20 - 02-29", "2027-02-28T12:00", "2027-03-01T00:00"),
        ("2026-12-20 - 2027-01-05", "2027-01-05T12:00", "2027-01-06T00:00"),
        ("2026-12-20 - 2027-01-05", "2027-12-25T12:00", None),
        # The night in which the clocks go back has an hour more.
        ("22:00 - 06:00", "2026-10-24T23:00", "2026-10-25T06:00"),
    ],
)
def test_a_span_holds_and_ends(span: str, moment: str, until: str | None) -> None:
    assert parse_span(span).until(at(moment), BERLIN) == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("moment", "since", "due"),
    [
        ("Sun 03:00", "2026-11-21T12:00", "2026-11-22T03:00"),
        ("Sun 03:00", "2026-11-22T03:00", "2026-11-29T03:00"),
        ("03:00", "2026-11-21T02:59", "2026-11-21T03:00"),
        ("1. 03:00", "2026-11-21T12:00", "2026-12-01T03:00"),
    ],
)
def test_the_next_moment(moment: str, since: str, due: str) -> None:
    assert parse_moment(moment).after(at(since), BERLIN) == at(due)


@pytest.mark.parametrize(
    "text",
    ["", "Fri", "Fri 16:00", "Fri 16:00 - 08:00", "Fri 25:00 - Mon 08:00", "02-30 - 03-01", "2026-12-20 - 2026-12-01",
     "2026-02-30 - 2026-03-05", "10:00 - 10:00", "Fri 24:30 - Mon 08:00", "a - b"],
)  # fmt: skip
def test_what_is_no_span_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(UsageError, match=r"span|both ends|ends before|empty|no time of day|no day of the year|no date"):
        parse_span(text)


@pytest.mark.parametrize("text", ["", "Sun", "29. 03:00", "24:00", "Sun 3", "12-20"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no moment"):
        parse_moment(text)


def test_spans_that_follow_upon_one_another_are_one() -> None:
    spans = ("Fri 16:00 - Sun 00:00", "Sun 00:00 - Mon 08:00", "2026-11-23 - 2026-11-24")
    assert held_until(spans, at("2026-11-20T18:00"), BERLIN) == (at("2026-11-25T00:00"), "2026-11-23 - 2026-11-24")
    assert held_until(spans, at("2026-11-19T18:00"), BERLIN) is None
    # A span that never ends is not followed for ever.
    assert held_until(("00:00 - 12:00", "12:00 - 24:00"), at("2026-11-19T18:00"), BERLIN) is not None


clock = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02d}:{t[1]:02d}")
ends = st.one_of(clock, st.tuples(st.sampled_from(DAYS), clock).map(" ".join))


@given(ends, ends, st.integers(1_500_000_000, 2_000_000_000))
def test_a_span_ends_after_the_moment_it_holds_and_does_not_hold_its_end(start: str, end: str, moment: int) -> None:
    try:
        span = parse_span(f"{start} - {end}")
    except UsageError:
        return
    until = span.until(float(moment), UTC)
    if until is not None:
        assert moment < until <= moment + 7 * 86_400
        assert span.until(until, UTC) is None
        assert span.until(until - 1, UTC) == until
