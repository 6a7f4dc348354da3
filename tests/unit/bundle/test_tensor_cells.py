"""Cells of tensors: every dtype and shape there and back, and nothing taken for a tensor that is none."""

from __future__ import annotations

import gc
import math
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.bundle.tensor_cells import (
    DTYPES,
    cell_from,
    column_from,
    found_in,
    length,
    outside,
    packed,
    size,
    together,
    within,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=["kernel", "numpy"], autouse=True, scope="module")
def either(request: pytest.FixtureRequest) -> Iterator[str]:
    """The compiled kernel, and what does the same without it."""
    held = tensor_cells.kernel
    if request.param == "kernel" and held is None:
        pytest.skip("no compiled kernel")
    if request.param == "numpy":
        tensor_cells.kernel = None
    yield request.param
    tensor_cells.kernel = held


def tensor(dtype: str = "uint8", shape: tuple[int, ...] = (2, 3), **limits: float) -> Column:
    return Column("t", "tensor", nullable=False, dtype=dtype, shape=shape, **limits)  # type: ignore[arg-type]


columns = st.builds(
    tensor, st.sampled_from(sorted(DTYPES)), st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Column, Any]:
    """A column and an array of its dtype, any finite numbers."""
    column = draw(columns)
    dtype = DTYPES[column.dtype]
    bits = draw(st.binary(min_size=length(column), max_size=length(column)))
    array = np.frombuffer(bits, dtype)
    if dtype.kind == "f":
        array = np.where(np.isfinite(array), array, dtype.type(-0.0))
    return column, array.astype(dtype).reshape(column.shape)


@given(tensors())
def test_every_tensor_comes_back_from_every_form(made: tuple[Column, Any]) -> None:
    column, array = made
    cell = array.tobytes()
    assert cell_from(outside(cell, column), column) == cell
    for form in (
        array, array.reshape(-1), np.asfortranarray(array), array.astype(array.dtype.newbyteorder(">")),
        array.astype(object), list(array), array.reshape(-1).tolist(), tuple(array.reshape(-1).tolist()),
        list(array.reshape(-1)), cell, bytearray(cell), memoryview(cell), memoryview(array), packed(cell),
    ):  # fmt: skip
        assert cell_from(form, column) == cell
    assert len(cell) == length(column) == size(column) * DTYPES[column.dtype].itemsize
    assert together([cell, cell], column).tolist() == [array.reshape(-1).tolist()] * 2
    assert column_from(np.stack([array, array]), column).tobytes() == cell * 2
    assert column_from([outside(cell, column), cell, packed(cell)], column).tobytes() == cell * 3
    if DTYPES[column.dtype].kind != "f":
        assert cell_from(array.astype(float).tolist(), column) == cell


leaves: Any = (
    st.integers(-(2**70), 2**70) | st.integers(-300, 300) | st.floats() | st.booleans() | st.none()
    | st.text(max_size=3) | st.binary(max_size=3) | st.just(10**400) | st.just(1j) | st.just(np.uint8(3))
    | st.just(np.float32(1.5)) | st.just(np.bool_(True)) | st.just(np.longdouble(2)) | st.just(np.int64(-1))
    | st.just(np.datetime64("2026-11-21")) | st.just(np.array(3)) | st.just(np.array([1, 2, 3]))
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.sampled_from(["b64", "x"]), inner, max_size=2)
    ),
    max_leaves=24,
)
shaped = st.lists(st.lists(leaves, min_size=3, max_size=3), min_size=2, max_size=2)


@given(anything | shaped, columns | st.just(tensor()))
@example([[[]]], tensor())
@example([], tensor())
@example({"b64": "é"}, tensor())
@example({"b64": 3}, tensor())
@example({}, tensor())
@example([[1, 2, 3], [4, 5]], tensor())
@example([[1, 2, 3], 4], tensor())
@example([np.array([1, 2, 3]), [4, 5, 6]], tensor())
@example(np.array([[1, 2, 3], [4, 5, 6]], dtype=object), tensor())
@example(np.array(3, dtype=object), tensor())
@example(np.uint8, tensor())
@example(range(6), tensor())
@example([10**400, np.float32(1), 1, 1, 1, 1], tensor("float64"))
def test_anything_else_gives_none_and_words_and_never_an_exception(value: Any, column: Column) -> None:
    cell = cell_from(value, column)
    if cell is None:
        assert isinstance(found_in(value, column), str)
        with pytest.raises(CellInvalid):
            column_from([value], column)
    else:
        assert type(cell) is bytes
        assert len(cell) == length(column)
        array = np.frombuffer(cell, DTYPES[column.dtype])
        assert DTYPES[column.dtype].kind != "f" or np.isfinite(array).all()
        assert cell_from(outside(cell, column), column) == cell


flat = st.lists(st.integers(-70_000, 70_000) | st.floats(-300, 300) | st.floats(), min_size=6, max_size=6)


@given(flat, st.sampled_from(sorted(DTYPES)))
def test_numbers_are_the_same_numbers_or_none(numbers: list[Any], dtype: str) -> None:
    column, kind = tensor(dtype), DTYPES[dtype]
    cell = cell_from(numbers, column)
    if kind.kind != "f":
        limits = np.iinfo(kind)
        fits = all(math.isfinite(x) and x == int(x) and limits.min <= x <= limits.max for x in numbers)
        assert (cell is not None) == fits
        if cell is not None:
            assert np.frombuffer(cell, kind).tolist() == numbers
        return
    with np.errstate(all="ignore"):
        rounded = np.array(numbers, dtype=np.float64).astype(kind)
    assert cell == (rounded.tobytes() if np.isfinite(rounded).all() else None)


@given(st.lists(leaves, min_size=6, max_size=6), st.sampled_from(sorted(DTYPES)))
def test_the_kernel_takes_what_is_taken_without_it(items: list[Any], dtype: str) -> None:
    if tensor_cells.kernel is None:
        return
    column, held = tensor(dtype), tensor_cells.kernel
    for value in (items, tuple(items), [items[:3], items[3:]], [tuple(items[:3]), items[3:]]):
        found = cell_from(value, column)
        try:
            tensor_cells.kernel = None
            assert cell_from(value, column) == found
        finally:
            tensor_cells.kernel = held


REFUSED: list[tuple[str, Any]] = [
    ("uint8", [-1, 0, 0, 0, 0, 0]),
    ("uint8", [256, 0, 0, 0, 0, 0]),
    ("int8", np.array([128, 0, 0, 0, 0, 0])),
    ("int8", np.array([2**64 - 1, 0, 0, 0, 0, 0], dtype=np.uint64)),
    ("int8", np.array([2**64 - 128, 2**64 - 1, 0, 0, 0, 0], dtype=np.uint64)),
    ("int32", np.array([2.0**31] * 6)),
    ("int32", np.array([np.inf] * 6)),
    ("int32", np.array([65504.5] * 6)),
    ("uint16", np.array([np.nan] * 6, dtype=np.float16)),
    ("float16", [65520.0] * 6),
    ("float16", np.array([1e30] * 6)),
    ("float32", [1e39] * 6),
    ("float32", np.array([1e39] * 6)),
    ("float64", [10**400] * 6),
    ("float64", [float("inf")] * 6),
    ("float64", np.array([np.nan] * 6)),
    ("float64", np.ones(6, bool)),
    ("float64", np.ones(6, complex)),
    ("float64", np.array(["1"] * 6)),
    ("float64", np.array([b"1"] * 6)),
    ("float64", np.zeros(6, "datetime64[s]")),
    ("float64", [1, 2, 3, 4, 5, True]),
    ("float64", ["1"] * 6),
    ("float64", np.array([float("nan")]).tobytes() * 6),
    ("uint8", b"12345"),
    ("uint8", memoryview(b"123456789")[::2]),
    ("uint8", {"b64": "AAAA AAAA"}),
    ("uint8", {"b64": "AAAAAAA="}),
    ("uint8", {"b64": "AAAAAAAA", "more": 1}),
]


@pytest.mark.parametrize(("dtype", "value"), REFUSED)
def test_other_numbers_wrap_into_nothing(dtype: str, value: Any) -> None:
    assert cell_from(value, tensor(dtype)) is None
    assert isinstance(found_in(value, tensor(dtype)), str)


def test_the_ends_of_every_dtype_are_taken() -> None:
    for dtype, kind in DTYPES.items():
        limits: Any = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
        for number in (limits.min, limits.max):
            given = np.full((2, 3), number, kind)
            assert cell_from(given.tolist(), tensor(dtype)) == given.tobytes()
    assert cell_from([65519.0] * 6, tensor("float16")) == np.full(6, 65504.0, "<f2").tobytes()


def test_text_hidden_among_numbers_makes_no_array_of_texts() -> None:
    wide = tensor("uint8", (100_000,))
    value: list[Any] = [0] * 99_999 + ["x" * 1_000_000]
    assert cell_from(value, wide) is None
    assert found_in(value, wide) == "numbers and text of shape [100000]"


def test_a_list_in_itself_has_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert cell_from(endless, tensor("uint8", (1, 1, 1, 1))) is None
    assert found_in(endless, tensor("uint8", (1, 1, 1, 1))) == "lists nested deeper than 4"


def test_arrays_of_other_libraries_are_taken_and_their_errors_are_not() -> None:
    class Image:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.ones((2, 3), np.uint8)

    class OnAnotherDevice:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise TypeError("it is on another device")

    assert cell_from(Image(), tensor()) == b"\1" * 6
    assert cell_from(OnAnotherDevice(), tensor()) is None
    assert found_in(OnAnotherDevice(), tensor()) == "OnAnotherDevice"


def test_limits_hold_for_the_least_and_the_greatest_element() -> None:
    column = tensor("int16", minimum=-3.0, maximum=7.0)
    assert within(np.array([-3, 7, 0, 0, 0, 0], "<i2").tobytes(), column)
    for out in (-4, 8):
        cell = np.array([0, 0, 0, 0, 0, out], "<i2").tobytes()
        assert not within(cell, column)
        with pytest.raises(CellInvalid, match="row 1, column 't': found a value out of range"):
            column_from(np.stack([np.zeros(6, "<i2"), np.frombuffer(cell, "<i2")]), column)


def test_a_column_of_the_right_dtype_is_not_copied() -> None:
    array = np.zeros((5, 2, 3), "<f4")
    assert np.shares_memory(column_from(array, tensor("float32")), array)


def test_the_kernel_keeps_nothing_and_refuses_shapes_that_are_none() -> None:
    kernel = tensor_cells.kernel
    if kernel is None:
        return
    for shape, code in (((), 0), ((0,), 0), ((-1, 4), 0), ((2**62, 2**62), 0), ((1,) * 9, 0), ((4,), 7), ((4,), -1)):
        with pytest.raises(ValueError, match="no such shape"):
            kernel.cell([1, 2, 3, 4], shape, code)
    for said in ((), ([1],), ([1], [1], 0), ([1], (1,), 0, 0)):
        with pytest.raises(TypeError):
            kernel.cell(*said)
    with pytest.raises(OverflowError):
        kernel.cell([1], (2**80,), 0)
    assert kernel.cell([1] * 3, (2**40, 2**15), 6) is None, "nothing of that size was made"
    number, flag = 123_456_789.5, 2**75
    values: list[Any] = [[number, number], [number, flag], [[number], [number]], [number, "x"], (number, True)]
    gc.collect()
    held = sys.getrefcount(number), sys.getrefcount(flag), sys.getrefcount(None), sys.getrefcount(NotImplemented)
    for _ in range(2000):
        for value in values:
            for code in range(7):
                kernel.cell(value, (2, 1), code)
    now = sys.getrefcount(number), sys.getrefcount(flag), sys.getrefcount(None), sys.getrefcount(NotImplemented)
    assert max(abs(a - b) for a, b in zip(held, now, strict=True)) < 20


def test_the_kernel_reads_nothing_that_is_not_there() -> None:
    if tensor_cells.kernel is None:
        return
    drawn = random.Random(3)

    def made(depth: int) -> Any:
        if depth == 0 or drawn.random() < 0.1:
            return drawn.choice([0, 1.5, 255, -1, 2**70, 10**400, math.nan, None, "x", True, [], b"y"])
        kind = drawn.choice([list, tuple])
        return kind(made(depth - 1) for _ in range(drawn.randint(0, 3)))

    for _ in range(20_000):
        shape = tuple(drawn.randint(1, 3) for _ in range(drawn.randint(1, 4)))
        code = drawn.randint(0, 6)
        cell = tensor_cells.kernel.cell(made(drawn.randint(0, 5)), shape, code)
        assert cell is None or cell is NotImplemented or len(cell) == math.prod(shape) * (1, 1, 2, 2, 4, 4, 8)[code]
