"""Arrow's buffers read as Arrow itself reads them, whatever was cut out of an array and whatever is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.lab.stats import buffers

NUMBERS = {
    "int8": st.integers(-128, 127), "uint16": st.integers(0, 65_535), "int64": st.integers(-(2**53), 2**53),
    "float": st.floats(width=32), "double": st.floats(),
}  # fmt: skip


@st.composite
def parts(draw: Any, cells: Any, kind: str) -> pa.Array:
    values = draw(st.lists(st.none() | cells, max_size=40))
    first, count = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    of = {"float": pa.float32, "double": pa.float64}.get(kind) or getattr(pa, kind)
    return pa.array(values, of()).slice(first, count)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(NUMBERS)).flatmap(lambda kind: parts(NUMBERS[kind], kind)))
def test_numbers_are_floats_with_gaps(array: pa.Array) -> None:
    expected = np.array([np.nan if v is None else float(v) for v in array.to_pylist()], dtype=np.float64)
    np.testing.assert_array_equal(buffers.to_numpy(array), expected)
    np.testing.assert_array_equal(buffers.there(array), [v is not None for v in array.to_pylist()])
    if pa.types.is_integer(array.type) and not array.null_count:
        assert buffers.to_integers(array).tolist() == array.to_pylist()


@settings(max_examples=60, deadline=None)
@given(parts(st.booleans(), "bool_"))
def test_masks_are_false_where_missing_and_go_back(array: pa.Array) -> None:
    found = buffers.to_mask(array)
    assert found.tolist() == [bool(v) for v in array.to_pylist()]
    assert buffers.of_mask(found).to_pylist() == found.tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=10))
def test_words_are_words(words: list[str]) -> None:
    assert buffers.of_words(words).to_pylist() == words


def test_single_cells() -> None:
    assert buffers.integer(-7).as_py() == -7
    assert buffers.word("grün").as_py() == "grün"
    assert buffers.nothing(pa.string()).as_py() is None


@pytest.mark.parametrize("array", [pa.array([1, 2], pa.decimal128(5, 2)), pa.array([1, None], pa.float16())])
def test_other_numbers_go_by_arrow(array: pa.Array) -> None:
    assert buffers.to_numpy(array)[0] == 1.0
