"""Wrong promotions and wrong rollbacks under continuous looking stay within what is promised."""

from __future__ import annotations

import pytest
from tests.unit.rollout.simulated_delays import BROKEN, found_out, rows_until
from tests.unit.rollout.simulated_verdicts import CASES, Case, interval

from fairlead.ops.rollout.planning import anytime_rows

SAMPLE, WHOLE = 15, 1000
NUMBERED = list(enumerate(CASES))


@pytest.mark.parametrize(("number", "case"), NUMBERED, ids=[case.name for case in CASES])
def test_errors_are_within_the_nominal_rate(number: int, case: Case) -> None:
    runs = 5 if "outgrows" in case.name else SAMPLE
    wrong = case.errors(runs, 1000 + number)
    assert interval(wrong, runs)[0] <= case.nominal, f"{wrong} of {runs}"


@pytest.mark.long
@pytest.mark.parametrize(("number", "case"), NUMBERED, ids=[case.name for case in CASES])
def test_errors_are_within_the_nominal_rate_in_a_thousand_runs(number: int, case: Case) -> None:
    wrong = case.errors(WHOLE, 1000 + number)
    assert interval(wrong, WHOLE)[0] <= case.nominal, f"{wrong} of {WHOLE}"


@pytest.mark.parametrize(("spread", "runs"), [(0.05, 40), (0.1, 40)])
def test_the_rows_that_a_plan_names_are_those_that_nine_in_ten_need(spread: float, runs: int) -> None:
    _, half, most = rows_until(0.0, spread, runs, 7)
    assert half < anytime_rows(spread, 0.01) < 2.0 * most
    assert most < 1.6 * anytime_rows(spread, 0.01)


@pytest.mark.parametrize(("number", "most"), [(0, 60), (4, 2500), (8, 60), (14, 1500)])
def test_what_is_evidently_broken_is_found_within_so_many_requests(number: int, most: int) -> None:
    name, broken = BROKEN[number]
    share, half, _ = found_out(broken, 10, 11)
    assert share == 1.0, name
    assert half <= most, f"{name}: {half}"
