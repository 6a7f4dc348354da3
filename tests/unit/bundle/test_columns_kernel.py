"""The compiled kernel of columns by itself: whatever it is given, it stays within its buffers and keeps nothing."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

kernel = pytest.importorskip(
    "fairlead.runtime.bundle._columns", reason="a C compiler is missing: there is no kernel of columns"
)

ENDS, PLACES = np.array([0, 0, 2, 3], dtype=np.int32), np.array([0, 2, 1], dtype=np.int32)
VALUES, TEMPLATE = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 0.25])


def filled(**changed: Any) -> np.ndarray[Any, Any]:
    """Two rows of three features: a number, then a table that may write anywhere in a row."""
    given = {
        "out": np.zeros((2, 3)), "template": TEMPLATE, "start": 0, "column": np.array([1.0, np.nan]), "output": 1,
        "codes": np.array([1, 2], dtype=np.int32), "ends": ENDS.tobytes(), "places": PLACES.tobytes(),
        "values": VALUES.tobytes(), **changed,
    }  # fmt: skip
    numbers = ((given["column"], 5.0, 1.0, 2.0, given["output"]),)
    tables = ((given["codes"], given["ends"], given["places"], given["values"]),)
    kernel.fill(given["out"], given["template"], given["start"], numbers, tables)
    found: np.ndarray[Any, Any] = given["out"]
    return found


def test_rows_are_the_template_the_numbers_and_what_codes_write() -> None:
    assert filled().tolist() == [[1.0, 0.0, 2.0], [0.0, 3.0, 0.25]]
    late = filled(start=1, column=np.array([9.0, 1.0, np.nan]), codes=np.array([0, 0, 1], dtype=np.int32))
    assert late.tolist() == [[0.0, 0.0, 0.25], [1.0, 2.0, 2.0]]


@pytest.mark.parametrize(
    "changed",
    [
        {"out": np.zeros(5)}, {"template": np.zeros(0)}, {"template": b"1234567"}, {"start": -1}, {"start": 1},
        {"start": 2**62}, {"column": np.zeros(1)}, {"output": 3}, {"output": -1},
        {"codes": np.array([1], dtype=np.int32)}, {"codes": np.array([1, 3], dtype=np.int32)},
        {"codes": np.array([-1, 0], dtype=np.int32)}, {"codes": b"123456789"}, {"ends": b""}, {"ends": b"12"},
        {"ends": np.array([0, 2, 1, 3], dtype=np.int32).tobytes()},
        {"ends": np.array([0, -1, 2, 3], dtype=np.int32).tobytes()},
        {"ends": np.array([1, 1, 2, 3], dtype=np.int32).tobytes()},
        {"ends": np.array([0, 1, 2, 4], dtype=np.int32).tobytes()},
        {"places": np.array([0, 3, 1], dtype=np.int32).tobytes()},
        {"places": np.array([0, -1, 1], dtype=np.int32).tobytes()},
        {"places": PLACES[:2].tobytes()}, {"values": VALUES[:2].tobytes()}, {"values": b"1234"},
    ],
)  # fmt: skip
def test_what_does_not_agree_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"row|table|code|number"):
        filled(**changed)


def test_only_buffers_of_the_right_kind_are_taken() -> None:
    for changed in ({"out": bytes(48)}, {"ends": bytearray(16)}, {"codes": None}, {"column": "text"}):
        with pytest.raises((TypeError, BufferError)):
            filled(**changed)
    with pytest.raises(ValueError, match="tuple"):
        kernel.fill(np.zeros((1, 3)), TEMPLATE, 0, (None,), ())
    with pytest.raises(ValueError, match="tuple"):
        kernel.fill(np.zeros((1, 3)), TEMPLATE, 0, (), ([],))
    out = np.zeros(3, dtype=np.int32)
    for cells in (np.zeros(3), np.zeros((3, 1), dtype=object), b"abc"):
        with pytest.raises(ValueError, match="cells"):
            kernel.codes(cells, out)
    for cells in (["a"] * 2, ["a"] * 4, np.array(["a"] * 4, dtype=object)):
        with pytest.raises(ValueError, match="a code a cell"):
            kernel.codes(cells, out)
    with pytest.raises((TypeError, BufferError)):
        kernel.codes(["a"] * 3, bytes(12))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=48), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40),
    st.binary(max_size=48), st.integers(-3, 8), st.integers(-2, 8),
)  # fmt: skip
def test_any_bytes_are_refused_or_stay_within_the_rows(
    codes: bytes, ends: bytes, places: bytes, values: bytes, column: bytes, start: int, output: int
) -> None:
    whole = np.full(64, 7.0)
    out = whole[16:28].reshape(4, 3)
    with contextlib.suppress(ValueError):
        filled(out=out, codes=codes, ends=ends, places=places, values=values, column=column, start=start, output=output)
    assert set(whole[:16]) == set(whole[28:]) == {7.0}


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=2), st.just(())
)


@settings(max_examples=200, deadline=None)
@given(st.lists(cells, max_size=40), st.integers(1, 20))
def test_every_code_stands_for_the_cell_it_was_given_for(pool: list[Any], times: int) -> None:
    listed = pool * times
    out = np.full(len(listed) + 2, -9, dtype=np.int32)
    found = kernel.codes(listed, out[1:-1])
    assert found is not None
    assert out[0] == out[-1] == -9
    for code, cell in zip(out[1:-1].tolist(), listed, strict=True):
        told = found[code]
        assert (told is None) if cell is None or cell != cell else (type(told) is type(cell) and told == cell)
    # The order of first appearance, by which the first bad cell is the first bad row.
    firsts = [int(np.flatnonzero(out[1:-1] == code)[0]) for code in range(len(found))]
    assert firsts == sorted(firsts)


def test_nothing_is_kept() -> None:
    text, number = "".join(("a text", " of this test")), float("2.5")
    listed: list[Any] = [text, number, None] * 200
    array = np.array(listed, dtype=object)
    out, codes = np.empty(600, dtype=np.int32), np.array([1, 2], dtype=np.int32)
    kernel.codes(array, out)
    held = sys.getrefcount(text), sys.getrefcount(number), sys.getrefcount(out), sys.getrefcount(codes)
    tracemalloc.start()
    try:
        for turn in range(3000):
            kernel.codes(listed, out)
            kernel.codes(array, out)
            filled(codes=codes)
            with contextlib.suppress(ValueError):
                filled(codes=codes, places=b"")
            if turn == 300:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 50_000
    finally:
        tracemalloc.stop()
    assert held == (sys.getrefcount(text), sys.getrefcount(number), sys.getrefcount(out), sys.getrefcount(codes))
