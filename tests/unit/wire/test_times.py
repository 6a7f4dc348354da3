"""A request's time is read as `lab/tables` reads the same cell in a table."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.tables import event_times, signature_of
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.times import event_time, seconds, wall_time

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
MOMENTS = st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1))
SHAPES = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y",
    "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+05:30", " %Y-%m-%d %H:%M ",
)  # fmt: skip


@given(MOMENTS, st.sampled_from(SHAPES), st.sampled_from(ZONES))
@example(datetime(2024, 3, 31, 2, 30), SHAPES[2], "Europe/Berlin")  # skipped
@example(datetime(2024, 3, 31, 2, 0), SHAPES[2], "Europe/Berlin")
@example(datetime(2024, 10, 27, 2, 30), SHAPES[2], "Europe/Berlin")  # twice
@example(datetime(2024, 10, 6, 2, 15), SHAPES[2], "Australia/Lord_Howe")  # half an hour is skipped
def test_a_time_means_the_same_in_a_request_and_in_a_table(moment: datetime, shape: str, zone: str) -> None:
    text = moment.strftime(shape)
    (expected,) = event_times(pd.DataFrame({"at": [text]}), "at", zone)
    assert seconds(text, zone_of(zone)) == pytest.approx(expected, abs=2e-6)


HOURS = st.one_of(st.integers(0, 24), st.floats(0.0, 24.0), st.sampled_from(["7", "17:30", "5:05:30", "0.5"]))


@given(st.dates(datetime(1975, 1, 1).date(), datetime(2036, 1, 1).date()), HOURS, st.sampled_from(ZONES))
@example(datetime(2024, 3, 31).date(), 2, "Europe/Berlin")
@example(datetime(2024, 10, 27).date(), 2, "Europe/Berlin")
def test_a_date_and_an_hour_mean_the_same_in_a_request_and_in_a_table(date, hour, zone: str) -> None:
    rows = pd.DataFrame({"day": [date.isoformat()], "hour": [hour]})
    (expected,) = event_times(rows, ("day", "hour"), zone)
    assert event_time([date.isoformat(), hour], zone_of(zone)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("number", [1.7e9, 1.7e12, 1.7e15, 1.7e18, 0, -5.5])
def test_numbers_are_scaled_alike(number: float) -> None:
    (expected,) = event_times(pd.DataFrame({"at": [number]}), "at")
    assert seconds(number) == expected


@given(st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_anything_is_a_finite_time_or_none(value: object) -> None:
    for zone in ZONES[:2]:
        for found in (seconds(value, zone_of(zone)), event_time([value, value], zone_of(zone))):
            assert found is None or math.isfinite(found)


@pytest.mark.parametrize("parts", [["0001-01-01", 0], ["9999-12-31", 24], ["2020-01-01", 24.5], ["2020-01-01", None]])
def test_what_no_calendar_has_is_no_time_or_a_finite_one(parts: list[object]) -> None:
    found = event_time(parts, zone_of("Asia/Kolkata"))
    assert found is None or math.isfinite(found)
    assert parts[1] == 0 or parts[1] == 24 or found is None


@given(MOMENTS, st.sampled_from(ZONES))
def test_a_wall_time_leads_back_to_its_instant_but_where_clocks_go_back(moment: datetime, zone: str) -> None:
    at = seconds(moment.isoformat(), zone_of(zone))
    assert at is not None
    back = seconds(wall_time(at, zone_of(zone)), zone_of(zone))
    assert back is not None
    assert abs(back - at) < 1e-5 or abs(back - at) <= timedelta(hours=1).total_seconds()


def test_a_feature_that_is_a_time_is_read_in_the_zone_of_the_signature() -> None:
    checks = Checks(Signature("regression", (Column("seen", "time"),), timezone="Europe/Berlin"))
    rows, _ = checks.rows([{"seen": "2024-07-01T12:00"}, {"seen": "2024-07-01T12:00Z"}, {"seen": 5.0}])
    assert [row[0] for row in rows] == [1719828000.0, 1719835200.0, 5.0]
    assert checks.columns({"seen": ["2024-07-01T12:00"]})[0] == [(1719828000.0,)]


def test_a_zone_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="Mars/Olympus"):
        zone_of("Mars/Olympus")
    with pytest.raises(BundleRefused, match="tzdata"):
        Checks(Signature("regression", (Column("x", "number"),), timezone="../../etc/passwd"))


def test_the_signature_carries_the_projects_zone_and_says_nothing_of_utc() -> None:
    rows = pd.DataFrame({"at": ["2024-01-01"] * 4, "x": [1.5, 2.5, 3.0, 4.0], "y": [1.0, 2.0, 3.5, 4.0]})
    model = ModelSettings(name="m", task="regression", target="y", time="at", timezone="Europe/Berlin")
    assert signature_of(rows, Settings(model=model)).timezone == "Europe/Berlin"
    plain = msgspec.structs.replace(model, timezone="UTC")
    # A bundle sealed before there was a zone keeps its id.
    assert b"timezone" not in msgspec.json.encode(signature_of(rows, Settings(model=plain)))
