"""What was asked again because its answer was lost counts once; what only looks like it counts as often as it came."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.runtime.capture.asked_again import counted_once

RECORD: dict[str, Any] = {
    "segment": "a-0-1", "offset": 0, "row": 0, "kind": "prediction", "arrived": 100.0, "request": "r1", "key": None,
    "caller": None, "variant": "champion", "in.age": 3.0, "in.plan": "basic", "pass.at": None, "out.p.yes": 0.5,
}  # fmt: skip
SCHEMA = pa.schema([
    ("segment", pa.string()), ("offset", pa.int64()), ("row", pa.int32()), ("kind", pa.string()),
    ("arrived", pa.float64()), ("request", pa.string()), ("key", pa.string()), ("caller", pa.string()),
    ("variant", pa.string()), ("in.age", pa.float64()), ("in.plan", pa.string()), ("pass.at", pa.string()),
    ("out.p.yes", pa.float64()),
])  # fmt: skip


def counted(*records: dict[str, Any]) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist([{**RECORD, "offset": place, **one} for place, one in enumerate(records)], SCHEMA)
    kept: list[dict[str, Any]] = counted_once(table).to_pylist()
    return kept


AGAIN: dict[str, Any] = {"segment": "b-0-1", "arrived": 103.0}


def test_the_answer_that_the_caller_waited_for_counts() -> None:
    (kept,) = counted({}, {**AGAIN, "out.p.yes": 0.7})
    assert (kept["segment"], kept["out.p.yes"]) == ("b-0-1", 0.7)
    (kept,) = counted({**AGAIN, "in.age": float("nan"), "in.plan": None}, {"in.age": None, "in.plan": None})
    assert kept["segment"] == "b-0-1", "whichever file is read first"
    assert len(counted({}, AGAIN, {"segment": "c-0-1", "arrived": 110.0})) == 1
    assert len(counted({}, {"row": 1, "in.age": 5.0}, AGAIN, {**AGAIN, "row": 1, "in.age": 5.0})) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"arrived": 103.0}, {**AGAIN, "in.age": 3.5}, {**AGAIN, "in.plan": None}, {**AGAIN, "caller": "x"},
        {**AGAIN, "key": "k"}, {**AGAIN, "arrived": 161.0}, {**AGAIN, "row": 1}, {**AGAIN, "request": "r2"},
        {**AGAIN, "kind": "shadow"}, {**AGAIN, "pass.at": "2026-01-02"},
    ],
)  # fmt: skip
def test_what_differs_is_another_request(other: dict[str, Any]) -> None:
    assert len(counted({}, other)) == 2


def test_one_id_for_every_request_says_nothing() -> None:
    many = [{"segment": f"{'ab'[n % 2]}-0-1", "arrived": 100.0 + n} for n in range(5)]
    assert len(counted(*many)) == 5


def test_shadows_of_both_are_told_apart_by_their_variant() -> None:
    shadow = {"kind": "shadow", "variant": "challenger"}
    kept = counted({}, shadow, AGAIN, {**AGAIN, **shadow}, {**AGAIN, **shadow, "variant": "third"})
    assert [(one["segment"], one["kind"], one["variant"]) for one in kept] == [
        ("b-0-1", "prediction", "champion"), ("b-0-1", "shadow", "challenger"), ("b-0-1", "shadow", "third"),
    ]  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=12))
def test_no_request_is_lost(asked: list[tuple[int, int, bool]]) -> None:
    """Whatever is asked how often and wherever, each request and input is there, and none more often than it came."""
    records = [
        {"request": f"r{id}", "in.age": float(age), "segment": f"{'ab'[there]}-0-1", "arrived": 100.0 + n}
        for n, (id, age, there) in enumerate(asked)
    ]
    kept = counted(*records)
    assert {(one["request"], one["in.age"]) for one in kept} == {(f"r{id}", float(age)) for id, age, _ in asked}
    assert len(kept) <= len(records)
    assert [one["offset"] for one in kept] == sorted(one["offset"] for one in kept)
