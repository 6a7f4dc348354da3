"""Answers that tell less: rounded so that they still add up, or the label alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.runtime.serve.access import blunt
from fairlead.runtime.serve.access.blunting import rounded
from fairlead.runtime.wire.codec import Answer

weights = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=12).filter(lambda values: sum(values) > 1e-6)


@given(weights, st.integers(0, 8))
def test_rounded_probabilities_are_near_add_up_and_keep_their_order(values: list[float], digits: int) -> None:
    row = [value / sum(values) for value in values]
    said = rounded(row, digits)
    unit = 10**digits
    assert round(sum(said) * unit) == unit
    assert math.isclose(sum(said), 1.0, abs_tol=1e-9)
    assert all(abs(told - value) <= 1 / unit + 1e-12 for told, value in zip(said, row, strict=True))
    assert all(round(told * unit) / unit == told for told in said)
    for a, told_a in zip(row, said, strict=True):
        assert all(told_a >= told_b for b, told_b in zip(row, said, strict=True) if a > b)


@pytest.mark.parametrize(
    ("row", "digits", "said"),
    [
        ([0.123456, 0.876544], 3, [0.123, 0.877]),
        ([0.5, 0.5], 0, [1.0, 0.0]),
        ([1.0, 0.0], 2, [1.0, 0.0]),
        ([0.29, 0.71], 2, [0.29, 0.71]),
        ([1 / 7] * 7, 1, [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_rounding_by_example(row: list[float], digits: int, said: list[float]) -> None:
    assert rounded(row, digits) == said


def test_the_label_alone_is_told_as_one_and_zeros() -> None:
    answer = Answer(["Yes", "No"], [[0.4, 0.6], [0.7, 0.3]], "3")
    told = blunt(answer, ("No", "Yes"), 2, True)
    assert (told.labels, told.scores, told.version) == (["Yes", "No"], [[0.0, 1.0], [1.0, 0.0]], "3")
    assert answer.scores == [[0.4, 0.6], [0.7, 0.3]]


def test_a_regression_and_a_caller_without_limits_are_told_all() -> None:
    number = Answer(None, [[12.3456]], "")
    assert blunt(number, (), 2, True) is number
    full = Answer(["Yes"], [[0.4, 0.6]], "")
    assert blunt(full, ("No", "Yes"), None, False) is full
