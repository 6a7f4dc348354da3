"""Agrawal's generator: the ten rules, the change at its row, the same table for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.errors import UsageError
from fairlead.ops.rehearse import agrawal
from fairlead.ops.rehearse.synthetic import FUNCTIONS


def test_the_rule_changes_at_its_row_and_nothing_else_does() -> None:
    frame = agrawal(4000, functions=(2, 5), change_at=1500, seed=3)
    table = {name: frame[name].to_numpy() for name in frame.columns}
    before, after = FUNCTIONS[2](table), FUNCTIONS[5](table)
    assert np.array_equal(table["approved"][:1500], before[:1500].astype(int))
    assert np.array_equal(table["approved"][1500:], after[1500:].astype(int))
    assert 0.3 < np.mean(before != after) < 0.7
    assert list(frame.columns) == [
        "at", "salary", "commission", "age", "elevel", "car", "zipcode", "hvalue", "hyears", "loan", "approved",
    ]  # fmt: skip


def test_a_seed_gives_the_same_table_and_another_another() -> None:
    assert agrawal(500, seed=1).equals(agrawal(500, seed=1))
    assert not agrawal(500, seed=1).equals(agrawal(500, seed=2))


def test_weeks_hold_their_rows() -> None:
    frame = agrawal(1000, rows_per_week=250)
    week = (frame["at"] - frame["at"].iloc[0]).dt.days // 7
    assert week.value_counts().tolist() == [250] * 4
    assert frame["at"].iloc[0].weekday() == 0


@pytest.mark.parametrize("function", range(1, 11))
def test_every_rule_parts_the_applicants(function: int) -> None:
    share = agrawal(3000, functions=(function,), seed=0)["approved"].mean()
    # The tenth rule refuses hardly anybody, in the paper as here.
    assert 0.02 < share < (0.9999 if function == 10 else 0.98)


def test_noise_blurs_numbers_and_not_decisions() -> None:
    plain, blurred = agrawal(500, seed=1), agrawal(500, seed=1, noise=0.05)
    assert (plain["approved"] == blurred["approved"]).all()
    assert (plain["salary"] != blurred["salary"]).mean() > 0.9
    assert blurred["salary"].between(20_000, 150_000).all()


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="1 to 10"):
        agrawal(10, functions=(11,))
