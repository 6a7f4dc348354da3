"""Rates and times as people write them: a number, or refused in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.capacity import milliseconds_of, rate_of, whole_numbers

WRITTEN = st.text("0123456789_.kMs/minhdµu ,-e\u0663", max_size=9)


@given(WRITTEN)
def test_what_is_taken_is_a_number_above_nought_and_all_else_is_refused(text: str) -> None:
    for read in (rate_of, milliseconds_of, lambda said: whole_numbers(said, "workers")):
        try:
            found = read(text)
        except UsageError:
            continue
        for one in found if isinstance(found, tuple) else (found,):
            assert math.isfinite(one)
            assert one >= 0


@pytest.mark.parametrize(("text", "rate"), [
    ("5000/s", 5000.0), ("300/min", 5.0), ("2M/d", 2e6 / 86400), ("1_000", 1000.0), ("0.5k/h", 500 / 3600),
])  # fmt: skip
def test_a_rate_is_of_a_second(text: str, rate: float) -> None:
    assert rate_of(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["1_", "1__0", "_1", "", "5/fortnight", "k", "-3", "1e9", "nan", "9" * 400])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no rate"):
        rate_of(text)
