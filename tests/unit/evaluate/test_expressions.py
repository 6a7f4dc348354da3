"""Rules of sub-populations: what they hold for, and that a mistake is named where it stands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.evaluate.expressions import columns_in, read_rule, rows_of, written_column, written_text

ROWS = pd.DataFrame(
    {
        "Contract": ["Two year", "One year", None, "Month's"],
        "tenure": [3.0, 30.0, np.nan, 12.0],
        "code": [1, 2, 3, 1],
        "paid": [True, False, True, False],
        "monthly charge": [10, 20, 30, 40],
        "in": [1, 2, 3, 4],
    }
)


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("Contract = 'Two year'", [1, 0, 0, 0]),
        ("Contract == 'Two year' or tenure >= 30", [1, 1, 0, 0]),
        ("Contract != 'Two year'", [0, 1, 1, 1]),
        ("Contract = 'Month''s'", [0, 0, 0, 1]),
        ("Contract in ('Two year', 'One year') and tenure < 12", [1, 0, 0, 0]),
        ("Contract not in ('Two year')", [0, 1, 1, 1]),
        ("Contract is missing", [0, 0, 1, 0]),
        ("Contract is not missing AND not (tenure > 3)", [1, 0, 0, 0]),
        ("tenure < 12", [1, 0, 0, 0]),
        ("tenure <= 12.0", [1, 0, 0, 1]),
        ("code = 1", [1, 0, 0, 1]),
        ("code = '1'", [1, 0, 0, 1]),
        ("code in (2, 3)", [0, 1, 1, 0]),
        ("paid = true", [1, 0, 1, 0]),
        ("paid = false", [0, 1, 0, 1]),
        ("`monthly charge` > 2.5e1", [0, 0, 1, 1]),
        ("`in` >= 3", [0, 0, 1, 1]),
        ("code = -1 or tenure > +29", [0, 1, 0, 0]),
    ],
)
def test_a_rule_holds_for_the_rows_it_says(rule: str, rows: list[int]) -> None:
    assert rows_of(rule, ROWS).astype(int).tolist() == rows


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "a column is expected, found 'its end'"),
        ("tenure", "is expected, found 'its end'"),
        ("tenure < 'a'", "character 8: < compares with a number"),
        ("tenure < 12 and", "character 16"),
        ("tenure < 12 tenure", "'and' or 'or' is expected, found 'tenure'"),
        ("(tenure < 12", "')' is expected"),
        ("tenure in 3", "'(' is expected"),
        ("Contract = Two", "a number, 'text', true or false is expected"),
        ("tenure < 12; import os", "unexpected ';"),
        ("Contract = 'Two", "unexpected"),
        ("__import__('os')", "character 11"),
        ("not " * 30 + "paid = true", "nested deeper"),
        ("a" * 501, "longer than 500"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(rule: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_rule(rule)
    assert words in str(caught.value)


def test_columns_that_are_not_there_or_hold_text_are_named() -> None:
    with pytest.raises(ConfigInvalid, match="Did you mean 'tenure'"):
        rows_of("tenur < 12", ROWS)
    with pytest.raises(ConfigInvalid, match="it holds text"):
        rows_of("Contract < 12", ROWS)
    assert columns_in(read_rule("a = 1 and (b = 2 or not a > 3)")) == ("a", "b")


@settings(max_examples=200, deadline=None)
@given(some.text(max_size=40))
def test_any_text_is_a_rule_or_an_error_that_speaks(text: str) -> None:
    said = ""
    try:
        read_rule(text)
    except ConfigInvalid as why:
        said = str(why)
    assert not said or "cannot be read at character" in said


@settings(max_examples=60, deadline=None)
@given(some.text(min_size=1, max_size=12), some.text(min_size=1, max_size=12).filter(lambda t: "`" not in t))
def test_what_is_written_is_read_back(value: str, column: str) -> None:
    frame = pd.DataFrame({column: [value, value + "x"]})
    assert rows_of(f"{written_column(column)} = {written_text(value)}", frame).tolist() == [True, False]
