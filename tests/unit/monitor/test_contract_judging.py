"""Rows against a contract: every kind of rule is broken by what breaks it, and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ops.monitor.contracts.judging import Agreed, Breach, judge
from fairlead.ops.monitor.contracts.reading import parse_contract
from fairlead.ops.monitor.contracts.tables import agreed_rows

HOUR = 3600.0


def broken(rules: str, columns: dict[str, Any], **more: Any) -> dict[str, Breach]:
    arrays = {
        n: np.array(cells, dtype=object if any(isinstance(c, str) for c in cells) else np.float64)
        for n, cells in columns.items()
    }
    terms = parse_contract(f"version: 1\n{rules}".encode()).terms
    return {breach.rule: breach for breach in judge(terms, Agreed(arrays, **more))}


@pytest.mark.parametrize(
    ("rule", "good", "bad", "name"),
    [
        ("missing: 0.25", [1.0, 2.0, 3.0, np.nan], [1.0, 2.0, np.nan, np.nan], "x.missing"),
        ("range: [0, 5]", [0.0, 5.0, np.nan], [0.0, 5.1], "x.range"),
        ("range: [null, 5]", [-1e9, 5.0], [6.0], "x.range"),
        ("kind: integer", [1.0, -2.0, np.nan], [1.5], "x.kind"),
        ("categories: [a, b, 1]", ["a", "b", "1", None], ["a", "c"], "x.categories"),
        ("categories: [1, 2]", [1.0, 2.0], [3.0], "x.categories"),
        ("pattern: '[a-z]+'", ["abc", None], ["abc1"], "x.pattern"),
        ("unique: true", [1.0, 2.0, np.nan, np.nan], [1.0, 1.0], "x.unique"),
        ("mean: [1, 2]", [1.0, 2.0], [4.0, 5.0], "x.mean"),
        ("quantiles: {0.5: [1, 2]}", [0.0, 1.5, 9.0], [3.0, 4.0, 5.0], "x.quantile 0.5"),
        ("range: [0, 1]\n    tolerate: 0.5", [0.0, 9.0], [9.0, 9.0, 0.0], "x.range"),
    ],
)
def test_each_rule_of_a_column(rule: str, good: list[Any], bad: list[Any], name: str) -> None:
    text = f"columns:\n  x:\n    {rule}"
    assert broken(text, {"x": good}) == {}
    found = broken(text, {"x": bad})
    assert set(found) == {name}
    assert found[name].low <= found[name].size <= found[name].high


def test_a_category_that_is_open_may_be_another() -> None:
    assert broken("columns:\n  x: {categories: [a], closed: false}", {"x": ["b"]}) == {}


def test_relations_hold_where_both_are_there() -> None:
    rules = "relations:\n  - a <= b\n  - {rule: a != c, tolerate: 0.5}"
    columns = {"a": [1.0, 3.0, np.nan], "b": [2.0, 2.0, 0.0], "c": [1.0, 0.0, 0.0]}
    found = broken(rules, columns)
    assert set(found) == {"a.<=.b"}
    assert (found["a.<=.b"].broken, found["a.<=.b"].first_row) == (1, 1)


def test_rows_that_come_too_rarely_too_few_or_too_many() -> None:
    times = np.concatenate([np.arange(0, 3 * HOUR, 600.0), np.arange(5 * HOUR, 6 * HOUR, 600.0)])
    rows = {"x": list(np.ones(len(times)))}
    found = broken("columns: {x: }\nfreshness: 1h", rows, times=times, start=0.0, end=6 * HOUR)
    assert found["freshness"].size == pytest.approx(2 + 1 / 6)
    assert found["freshness"].first == 3 * HOUR - 600.0
    volume = "columns: {x: }\nvolume: {per: hour, at_least: 1, at_most: 6}"
    found = broken(volume, rows, times=times, start=0.0, end=6 * HOUR)
    assert (found["volume.at_least"].broken, found["volume.at_least"].first) == (2, 3 * HOUR)
    assert broken(volume, rows, times=times, start=0.0, end=3 * HOUR) == {}
    assert set(broken(volume.replace("6}", "5}"), rows, times=times, start=0.0, end=3 * HOUR)) == {"volume.at_most"}


def test_the_first_breach_is_the_earliest_in_time() -> None:
    found = broken("columns:\n  x: {range: [0, 1]}", {"x": [5.0, 0.0, 7.0]}, times=np.array([30.0, 0.0, 10.0]))
    assert (found["x.range"].first, found["x.range"].first_row) == (10.0, 2)


def test_a_table_is_asked_for_its_columns_and_kinds() -> None:
    text = b"""
version: 1
other_columns: break
columns:
  age: {kind: integer, missing: 0.5}
  plan: {kind: category}
  gone: {}
  maybe: {required: false}
"""
    terms = parse_contract(text).terms
    table = pa.table({"age": ["1", "x", "2.5", "NA", ""], "plan": ["NA", "b", "c", "d", "e"], "new": [1, 2, 3, 4, 5]})
    found = {b.rule: b for b in judge(terms, agreed_rows(table, terms))}
    assert set(found) == {"columns.required", "columns.others", "age.kind"}
    assert found["columns.required"].columns == ("gone",)
    assert found["columns.others"].columns == ("new",)
    # A word and a half are no integers; NA and a blank are missing.
    assert found["age.kind"].broken == 2


def test_without_a_kind_cells_are_numbers_where_all_are() -> None:
    terms = parse_contract(b"version: 1\ncolumns:\n  a: {categories: [1, 2]}\n  b: {categories: [x, '2']}").terms
    table = pa.table({"a": ["1", "2"], "b": ["x", "2"]})
    assert judge(terms, agreed_rows(table, terms)) == []


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=20))
def test_what_is_counted_is_what_one_would_count(cells: list[float | None]) -> None:
    values = [np.nan if c is None else c for c in cells]
    found = broken("columns:\n  x: {range: [-1, 1], missing: 0}", {"x": values})
    out = sum(c is not None and not -1 <= c <= 1 for c in cells)
    gone = sum(c is None for c in cells)
    assert (found["x.range"].broken if "x.range" in found else 0) == out
    assert (found["x.missing"].broken if "x.missing" in found else 0) == gone
