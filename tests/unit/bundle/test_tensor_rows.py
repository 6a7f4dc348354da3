"""The kernel of rows with tensors: what numpy gives, bit for bit, and nothing read or written that is not there."""

from __future__ import annotations

import gc
import random
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.runtime.bundle import Front, row_kernel
from fairlead.runtime.bundle.by_row import closures
from fairlead.runtime.bundle.front import Number, Tensor
from fairlead.runtime.bundle.ops import Add, AnyOp, Clip, Divide, Impute, Multiply, Subtract
from fairlead.runtime.bundle.plan import plan
from fairlead.runtime.bundle.row_kernel import features_of
from fairlead.runtime.bundle.tensor_cells import DTYPES

pytestmark = pytest.mark.skipif(row_kernel._rows is None, reason="no compiled kernel")

finite = st.floats(allow_nan=False, allow_infinity=False)
ops = st.lists(
    st.builds(Add, finite) | st.builds(Subtract, finite) | st.builds(Multiply, finite)
    | st.builds(Divide, finite.filter(lambda x: x != 0.0)),
    max_size=4,
).map(tuple)  # fmt: skip


def of(dtype: str, size: int, lane_ops: tuple[AnyOp, ...] = ()) -> Front:
    return Front(("t",), (False,), (Tensor("t", dtype, size, lane_ops),))


@given(st.sampled_from(sorted(DTYPES)), ops, st.integers(1, 9), st.integers(1, 3), st.data())
def test_elements_are_those_of_numpy_bit_for_bit(dtype: str, ops: Any, size: int, rows: int, data: Any) -> None:
    length = size * DTYPES[dtype].itemsize
    cells = data.draw(st.lists(st.binary(min_size=length, max_size=length), min_size=rows, max_size=rows))
    planned = plan(of(dtype, size, ops))
    compiled = features_of(planned)
    assert isinstance(compiled, partial), "the kernel itself"
    asked = [[cell] for cell in cells]
    found = np.frombuffer(compiled(asked))
    expected = np.frombuffer(closures(planned)(asked))
    gaps = np.isnan(expected)
    assert np.array_equal(np.isnan(found), gaps)
    assert found[~gaps].tobytes() == expected[~gaps].tobytes()


def test_every_half_is_the_double_that_numpy_says() -> None:
    bits = np.arange(65536, dtype="<u2")
    compiled = features_of(plan(of("float16", 65536)))
    assert compiled is not None
    found = np.frombuffer(compiled([[bits.tobytes()]]))
    expected = bits.view("<f2").astype(np.float64)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


def test_bytes_anywhere_in_memory_are_read() -> None:
    compiled = features_of(plan(of("float64", 2)))
    assert compiled is not None
    for start in range(8):
        cell = (b"x" * start + np.array([1.5, -2.5]).tobytes())[start:]
        assert np.frombuffer(compiled([(cell,)])).tolist() == [1.5, -2.5]


@pytest.mark.parametrize("cell", [b"", b"123", b"12345", bytearray(b"1234"), "1234", None, 4, [1, 2, 3, 4]])
@pytest.mark.parametrize("form", [features_of, closures])
def test_a_cell_that_is_no_such_tensor_is_refused(cell: Any, form: Any) -> None:
    features = form(plan(of("uint8", 4)))
    with pytest.raises(ShapeMismatch, match=r"row 8: a tensor has .*, the model takes 4 bytes"):
        features([[b"good"], [cell]], 7)


def test_other_operations_are_left_to_numpy() -> None:
    front = Front(("t", "a"), (False, True), (Tensor("t", "uint8", 2, (Clip(3.0, 4.0),)), Number("a", (Impute(9.0),))))
    features = features_of(plan(front))
    assert features is not None
    assert not isinstance(features, partial)
    assert np.frombuffer(features([[b"\1\7", None]])).tolist() == [3.0, 4.0, 9.0]


def test_rows_of_other_kinds_and_too_short_ones_are_read_as_ever() -> None:
    class Row:
        def __getitem__(self, at: int) -> bytes:
            return b"\1\2"

    features = features_of(plan(of("uint8", 2)))
    assert features is not None
    assert np.frombuffer(features([Row()])).tolist() == [1.0, 2.0]
    with pytest.raises(IndexError):
        features([[]])


def refuse(row: int, cell: Any) -> None:
    raise ShapeMismatch("other")


@pytest.mark.parametrize(
    "tensor",
    [
        (-1, 0, 2, (), refuse, 0),
        (0, -1, 2, (), refuse, 0),
        (0, 8, 2, (), refuse, 0),
        (0, 0, 0, (), refuse, 0),
        (0, 0, -2, (), refuse, 0),
        (0, 0, 5, (), refuse, 0),
        (0, 0, 2, (), refuse, 3),
        (0, 0, 2, (), refuse, -1),
        (0, 0, sys.maxsize, (), refuse, 1),
        (0, 0, 2, (), refuse, sys.maxsize),
        (0, 0, 2, ((4, 0.0, 0.0),), refuse, 0),
        (0, 0, 2, ((0, 1.0, 0.0),), refuse, 0),
        (0, 0, 2, ((5, 1.0, 0.0),), refuse, 0),
        (0, 0, 2, [], refuse, 0),
        (0, 0, 2),
    ],
)
def test_tensors_that_do_not_fit_are_refused_when_a_front_is_built(tensor: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        row_kernel._rows.build((0.0,) * 4, (), (), (), (tensor,))


def test_what_tensors_do_not_write_is_the_template() -> None:
    build, features = row_kernel._rows.build, row_kernel._rows.features
    template = (7.0, 8.0, 9.0)
    for tensors, expected in (
        (((0, 0, 2, (), refuse, 1),), [7.0, 1.0, 2.0]),
        (((0, 0, 2, (), refuse, 0),), [1.0, 2.0, 9.0]),
        (((0, 0, 2, (), refuse, 0), (0, 0, 2, (), refuse, 0)), [1.0, 2.0, 9.0]),
        (((0, 0, 2, (), refuse, 1), (0, 0, 2, (), refuse, 0)), [1.0, 2.0, 2.0]),
    ):
        made = features(build(template, (), (), (), tensors), [(b"\1\2",)])
        assert np.frombuffer(made).tolist() == expected


def test_a_callable_that_should_raise_and_does_not_is_told() -> None:
    front = row_kernel._rows.build((0.0, 0.0), (), (), (), ((0, 0, 2, (), lambda row, cell: None, 0),))
    with pytest.raises(SystemError):
        row_kernel._rows.features(front, [(b"1",)])


def test_nothing_is_kept_of_rows_or_fronts() -> None:
    cell = bytes(range(200, 208))
    gc.collect()
    held = sys.getrefcount(cell), sys.getrefcount(refuse)
    for _ in range(2000):
        front = row_kernel._rows.build((0.0,) * 8, (), (), (), ((0, 0, 8, ((1, 1.0, 0.0),), refuse, 0),))
        row_kernel._rows.features(front, [(cell,), [cell]])
        with pytest.raises(ShapeMismatch):
            row_kernel._rows.features(front, [(cell,), [b"1"]])
        with pytest.raises(ValueError, match="does not fit"):
            row_kernel._rows.build((0.0,), (), (), (), ((0, 0, 1, (), refuse, 0), (0, 0, 8, (), refuse, 0)))
    del front
    gc.collect()
    assert (sys.getrefcount(cell), sys.getrefcount(refuse)) == held


def test_random_fronts_and_cells_are_answered_or_refused() -> None:
    drawn = random.Random(11)
    for _ in range(3000):
        dtype = drawn.choice(sorted(DTYPES))
        sizes = [drawn.randint(1, 5) for _ in range(drawn.randint(1, 3))]
        names = tuple(f"t{at}" for at in range(len(sizes)))
        lanes = tuple(Tensor(name, dtype, size) for name, size in zip(names, sizes, strict=True))
        features = features_of(plan(Front(names, (False,) * len(names), lanes)))
        assert features is not None
        right = DTYPES[dtype].itemsize
        row = [drawn.randbytes(size * right + drawn.choice([0] * 9 + [-1, 1])) for size in sizes]
        if [len(cell) for cell in row] == [size * right for size in sizes]:
            assert len(features([row])) == 8 * sum(sizes)
        else:
            with pytest.raises(ShapeMismatch):
                features([row])
