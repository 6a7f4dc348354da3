"""A data contract at the door: rows that break it are refused or counted, and who has none pays nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ExpectationBroken
from fairlead.contract.expectations import Expected
from fairlead.contract.routes import Route, Variant
from fairlead.contract.signature import Column, Signature
from fairlead.ops.monitor.contracts.door import expected_at_door
from fairlead.ops.monitor.contracts.reading import parse_contract
from fairlead.runtime.serve.counters import Counters, read_slot
from fairlead.runtime.serve.expecting import expecting
from fairlead.runtime.wire.status import status_of

SIGNATURE = Signature(
    "regression",
    (
        Column("age", "integer"), Column("plan", "category", categories=("a", "b")), Column("code", "text"),
        Column("low", "number"), Column("high", "number"), Column("picture", "tensor", dtype="uint8", shape=(2, 2)),
    ),
)  # fmt: skip
TEXT = """
version: 1
columns:
  age: {kind: integer, missing: 0, range: [0, 120], at_door: refuse}
  plan: {categories: [a, b, 1]}
  code: {pattern: '[A-Z]{2}[0-9]+'}
  picture: {missing: 0}
  elsewhere: {range: [0, 1]}
relations: [low <= high]
"""
GOOD = (40.0, "a", "AB1", 1.0, 2.0, b"....")
LABELS = ("expectations", "m", "1", "champion")


def expected(text: str = TEXT) -> Expected:
    found = expected_at_door(parse_contract(text.encode()).terms, SIGNATURE)
    assert found is not None
    return found


def counted(folder: Path) -> dict[str, float]:
    found = read_slot(folder / "c-0")
    return {key[4]: cells[0] for key, cells in found.items() if key[0] == "expectations" and cells[0]}


def test_rules_that_refuse_come_first_and_only_of_columns_the_model_takes() -> None:
    rules = expected().rules
    assert [rule.name for rule in rules] == [
        "age.range", "plan.categories", "code.pattern", "low.<=.high"
    ] or [rule.name for rule in rules] == [
        "age.missing", "age.range", "plan.categories", "code.pattern", "low.<=.high"
    ]  # fmt: skip
    assert [rule.refuse for rule in rules] == sorted((rule.refuse for rule in rules), reverse=True)
    assert expected_at_door(parse_contract(b"version: 1").terms, SIGNATURE) is None


def test_rows_that_break_a_rule_are_counted_by_it_and_refused_where_it_says_so(tmp_path: Path) -> None:
    route = Route("m", (Variant("champion", "b", 1),), expected=expected())
    counters = Counters(tmp_path / "c-0")
    guard = expecting(None, route, route.variants[0], SIGNATURE, counters)
    assert guard is not None
    guard([GOOD, (40.0, None, None, None, 2.0, b"....")])
    assert counted(tmp_path) == {}
    guard([(40.0, "z", "ab1", 3.0, 2.0, b"...."), (40.0, "1", "AB" + "1" * 300, 1.0, 1.0, b"....")])
    assert counted(tmp_path) == {"plan.categories": 1, "code.pattern": 2, "low.<=.high": 1}
    with pytest.raises(ExpectationBroken) as refused:
        guard([GOOD, (121.0, "a", "AB1", 1.0, 2.0, b"...."), (None, "a", "AB1", 1.0, 2.0, b"....")])
    assert (refused.value.row, refused.value.rule) == (1, "age.range")
    assert "121" not in str(refused.value)
    assert status_of(refused.value) == 422
    assert counted(tmp_path)["age.missing"] == 1


def test_another_guard_is_asked_first_and_a_variant_without_the_columns_pays_nothing(tmp_path: Path) -> None:
    route = Route("m", (Variant("champion", "b", 1),), expected=expected())
    asked: list[int] = []
    both = expecting(
        lambda rows: asked.append(len(rows)), route, route.variants[0], SIGNATURE, Counters(tmp_path / "a")
    )
    assert both is not None
    both([GOOD])
    assert asked == [1]
    other = Signature("regression", (Column("z", "number"),))
    assert expecting(None, route, route.variants[0], other, Counters(tmp_path / "b")) is None


@given(
    st.lists(st.tuples(st.none() | st.floats(-1e3, 1e3), st.none() | st.sampled_from(["a", "b", "1", "c"])), max_size=8)
)
def test_the_door_and_the_window_agree_about_every_row(cells: list[tuple[float | None, str | None]]) -> None:
    import tempfile

    import numpy as np

    from fairlead.ops.monitor.contracts.judging import Agreed, judge

    terms = parse_contract(b"version: 1\ncolumns:\n  age: {range: [0, 120]}\n  plan: {categories: [a, b, 1]}").terms
    route = Route("m", (Variant("champion", "b", 1),), expected=expected_at_door(terms, SIGNATURE))
    with tempfile.TemporaryDirectory() as folder:
        guard = expecting(None, route, route.variants[0], SIGNATURE, Counters(Path(folder) / "c-0"))
        assert guard is not None
        guard([(age, plan, None, None, None, b"") for age, plan in cells])
        live = counted(Path(folder))
    columns = {
        "age": np.array([np.nan if a is None else a for a, _ in cells], dtype=np.float64),
        "plan": np.array([p for _, p in cells], dtype=object),
    }
    assert live == {breach.rule: breach.broken for breach in judge(terms, Agreed(columns))}
