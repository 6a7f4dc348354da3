"""The compiled kernel of rows against the closures: the same features bit for bit, the same errors for any cells."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections import UserList
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid
from fairlead.runtime.bundle import Front, row_kernel
from fairlead.runtime.bundle.by_row import closures, row_guard
from fairlead.runtime.bundle.calendar import PARTS, PERIOD
from fairlead.runtime.bundle.front import Delta, Number, Table
from fairlead.runtime.bundle.ops import Add, Clip, Divide, Impute, Missing, Multiply, Part, Subtract
from fairlead.runtime.bundle.plan import plan
from fairlead.runtime.bundle.row_kernel import features_of

NUMERIC = ("a", "b", "c")
COLUMNS = (*NUMERIC, "p", "q")
TEXTS = ["", "x", "y", "é", "naïve", "a rather long category", "a rather long categorx", "\0", "\ud800", "x" * 99]
finite = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, 5e-324, 2.0**53])
ops = st.one_of(
    st.builds(Impute, finite),
    st.builds(Add, finite),
    st.builds(Subtract, finite),
    st.builds(Multiply, finite),
    st.builds(Divide, finite.filter(lambda x: x != 0.0)),
    st.builds(Clip, st.none() | finite, st.none() | finite),
    st.builds(Missing),
    st.builds(Part, st.sampled_from(PARTS)),
    st.builds(Part, st.sampled_from(sorted(PERIOD)), st.sampled_from(["sin", "cos"])),
)
scaling = st.tuples(st.none() | finite, st.none() | finite, st.none() | finite.filter(lambda x: x != 0.0)).map(
    lambda said: tuple(kind(x) for kind, x in zip((Impute, Subtract, Divide), said, strict=True) if x is not None)
)
numbers = st.builds(Number, st.sampled_from(NUMERIC), scaling | st.lists(ops, max_size=4).map(tuple))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    numeric = draw(st.booleans())
    width = draw(st.integers(1, 4))
    said = finite if numeric else st.sampled_from([t for t in TEXTS if t != "\ud800"])
    keys = draw(st.lists(said, max_size=5, unique=True))
    hot = draw(st.booleans())
    value = st.just(1.0) if hot else st.none() | finite
    writes = st.lists(st.builds(Delta, st.integers(0, width - 1), value), max_size=1 if hot else 3).map(tuple)
    return Table(
        draw(st.sampled_from(NUMERIC if numeric else COLUMNS[3:])),
        tuple(keys),
        tuple(draw(writes) for _ in keys),
        tuple(draw(st.lists(st.none() | finite, min_size=width, max_size=width))),
        draw(writes),
        tuple(draw(st.lists(ops, max_size=2))) if numeric else (),
        draw(st.booleans()) and not hot,
        draw(st.booleans()) and not hot,
    )


fronts = st.lists(numbers | tables(), min_size=1, max_size=6).map(
    lambda lanes: Front.from_json(Front(COLUMNS, (True, True, True, False, False), tuple(lanes)).to_json())
)
likely = finite | st.sampled_from([None, math.nan, math.inf, 0, 1, -1.0, True, False, 2**53 + 1, -(2**53) - 1, 1.7e9])
strange = st.sampled_from([10**400, "x", [], {}, (), b"x", 1j, np.float64(2.5), np.int64(7), np.nan, object])
number_cells = st.one_of(likely, likely, likely, strange)
text_cells = st.one_of(st.sampled_from([None, *TEXTS]), st.sampled_from([None, *TEXTS]), st.text(max_size=3), strange)
rows = st.tuples(number_cells, number_cells, number_cells, text_cells, text_cells)
shapes = st.sampled_from([list, tuple, UserList, lambda row: list(row)[:4], lambda row: dict(enumerate(row))])


class Whimsical(str):
    """A text that is not exactly one, with a hash and an equality of its own."""

    def __hash__(self) -> int:
        return hash("x")

    def __eq__(self, other: object) -> bool:
        return other == "x"

    def __ne__(self, other: object) -> bool:
        return self is not other


@pytest.fixture(autouse=True)
def kernel() -> None:
    if row_kernel._rows is None:
        pytest.skip("the kernel of rows was not compiled: there was no C compiler at installation")


def outcome(features: Any, given_rows: Any) -> tuple[Any, ...]:
    """Bits of the features, all NaN as one, or the error."""
    try:
        found = np.frombuffer(features(given_rows)).copy()
    except Exception as error:
        return type(error), str(error)
    found[np.isnan(found)] = math.nan
    return (found.tobytes(),)


@settings(max_examples=600, deadline=None)
@given(fronts, st.lists(st.tuples(rows, shapes), max_size=4))
def test_the_kernel_encodes_as_the_closures_do(front: Front, asked: list[Any]) -> None:
    planned = plan(front)
    compiled = features_of(planned)
    assert compiled is not None
    made = [shape(row) for row, shape in asked]
    with np.errstate(all="ignore"):
        assert outcome(compiled, made) == outcome(closures(planned), made)
        assert outcome(compiled, tuple(made)) == outcome(closures(planned), made)


@settings(max_examples=200, deadline=None)
@given(fronts, st.lists(rows, max_size=3))
def test_the_guard_raises_as_the_closures_do(front: Front, asked: list[Any]) -> None:
    guards = [row_guard(front)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(row_kernel, "_rows", None)
        guards.append(row_guard(front))
    if guards[0] is None or guards[1] is None:
        assert guards == [None, None]
        return
    found = []
    for guard in guards:
        try:
            with np.errstate(all="ignore"):
                guard(asked)
            found.append(None)
        except Exception as error:
            found.append((type(error), str(error)))
    assert found[0] == found[1]


HOT = Table("p", ("x", "y"), ((Delta(0, 1.0),), (Delta(1, 1.0),)), (0.0, 0.0), (Delta(0, 1.0),))
CLOSED = Table("q", ("x",), ((Delta(0, 2.0),),), (0.0,), closed=True, required=True)


@pytest.fixture(params=["kernel", "closures"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "closures":
        monkeypatch.setattr(row_kernel, "_rows", None)
    return


def front_of(*lanes: Any) -> Front:
    return Front(COLUMNS, (True, True, True, False, False), lanes)


def test_rows_of_every_kind_of_lane(either: None) -> None:
    front = front_of(
        Number("a", (Impute(4.0), Subtract(1.0), Divide(2.0))), Number("b", (Missing(),)), HOT, CLOSED,
        Table("c", (1.0,), ((Delta(0, 5.0), Delta(1, None)),), (0.0, 0.0), (Delta(1, 3.0),), (Clip(None, 1.0),)),
    )  # fmt: skip
    encode = front.row_encoder()
    found = encode([[3.0, None, 7, "y", "x"], (None, 1.0, math.nan, None, "x"), [True, 0.0, 0.5, "never", "x"]])
    assert np.array_equal(
        found,
        [[1, 1, 0, 1, 2, 5, math.nan], [1.5, 0, 1, 0, 2, 0, 3], [0, 0, 0, 0, 2, 0, 0]],
        equal_nan=True,
    )
    found[0, 0] = 8.0
    assert encode([]).shape == (0, 7)
    guard = front.row_guard()
    assert guard is not None
    guard([[3.0, None, 7, "y", "x"]])
    for cell, said in (("new", "never seen"), (None, "no value")):
        for raises in (encode, guard):
            with pytest.raises(CellInvalid, match=said) as caught:
                raises([[3.0, None, 7, "y", "x"], [3.0, None, 7, "y", cell]])
            assert (caught.value.row, caught.value.column) == (1, "q")


def test_cells_that_run_code_get_what_they_ask_for(either: None) -> None:
    encode = front_of(HOT).row_encoder()
    assert encode([[0, 0, 0, Whimsical("other"), 0]]).tolist() == [[1.0, 0.0]]
    row: list[Any] = [0, 0, 0, None, 0]

    class Emptying:
        def __hash__(self) -> int:
            row.clear()
            gc.collect()
            return hash("x")

        def __eq__(self, other: object) -> bool:
            return True

    row[3] = Emptying()
    assert encode([row]).tolist() == [[1.0, 0.0]]
    rows_given: list[Any] = []

    class Vanishing(float):
        def __ne__(self, other: object) -> bool:
            rows_given.clear()
            gc.collect()
            return False

    rows_given += [[Vanishing(1.0), 0, 0, 0, 0], [2.0, 0, 0, 0, 0]]
    if row_kernel._rows is not None:
        with pytest.raises(IndexError):
            front_of(Number("a")).row_encoder()(rows_given)


def test_many_keys_and_keys_of_every_length(either: None) -> None:
    keys = tuple(dict.fromkeys([*(str(n) for n in range(5000)), *("k" * n for n in range(200))]))
    table = Table("p", keys, tuple((Delta(0, float(n)),) for n in range(len(keys))), (-1.0,))
    found = front_of(table).row_encoder()([[0, 0, 0, key, 0] for key in [*keys, "absent", "k" * 200]])
    assert found[:, 0].tolist() == [*map(float, range(len(keys))), -1.0, -1.0]


@pytest.mark.parametrize(
    "said",
    [
        ((), (), (), ()),
        ((0.0,), ((0, 0.0, 0.0, 0.0, 0),), (), ()),
        ((0.0,), ((0, 0.0, 0.0, 1.0, 1),), (), ()),
        ((0.0,), ((-1, 0.0, 0.0, 1.0, 0),), (), ()),
        ((0.0,), (), ((0, None, abs, -1),), ()),
        ((0.0,), (), ((0, ((99, 0.0, 0.0),), abs, 0),), ()),
        ((0.0,), (), ((0, ((4, 0.0, 0.0),), abs, 0),), ()),
        ((0.0,), (), (), ((0, {"x": 1}, (((0, 1.0),),), (), True, None, None, None, None),)),
        ((0.0,), (), (), ((0, {"x": 0}, (((1, 1.0),),), (), True, None, None, None, None),)),
        ((0.0,), (), (), ((0, {"x": 0}, (3,), (), True, None, None, None, None),)),
        ((0.0,), (), (), ((0, {"x": 0}, (((0, "1"),),), (), True, None, None, None, None),)),
        ((0.0,), (), (), (7,)),
        (("x",), (), (), ()),
    ],
)
def test_plans_that_do_not_fit_are_refused(said: Any) -> None:
    with pytest.raises((ValueError, TypeError, SystemError)):
        row_kernel._rows.build(*said)


def test_nothing_is_kept_of_what_was_read() -> None:
    lanes = (Number("a", (Add(1.0), Part("hour", "sin"))), Number("b"), HOT, CLOSED)
    encode = front_of(*lanes).row_encoder()
    cell = "a text of this test alone, é"
    for asked in ([[1.0, 2.0, 3.0, cell, "x"]], [[1.0, 10**400, 3.0, cell, "x"]], [[1.0, 2.0, 3.0, cell, cell]]):
        held, watched = sys.getrefcount(cell), sys.getrefcount(asked[0])
        for _ in range(200):
            with contextlib.suppress(OverflowError, CellInvalid):
                encode(asked)
        now = sys.getrefcount(cell), sys.getrefcount(asked[0])
        assert now == (held, watched)


def test_a_refusal_names_the_row_as_the_caller_counts(either: None) -> None:
    encode = front_of(HOT, CLOSED).row_encoder()
    assert encode([[0, 0, 0, "y", "x"]], 5).tolist() == [[0.0, 1.0, 2.0]]
    with pytest.raises(CellInvalid, match="row 6"):
        encode([[0, 0, 0, "y", "x"], [0, 0, 0, "y", "new"]], 5)
    if row_kernel._rows is not None:
        for first in (-1, 2**70, "1"):
            with pytest.raises((ValueError, OverflowError, TypeError)):
                encode([[0, 0, 0, "y", "x"]], first)
