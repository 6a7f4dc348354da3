"""Whole tables against rows: the same features bit for bit and the same errors, whoever holds the cells."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid, InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import by_column, coded
from fairlead.runtime.bundle.cells import rows_from
from fairlead.runtime.bundle.coded import Coded, coded_objects
from fairlead.runtime.bundle.columns import coded_columns_from, columns_from
from fairlead.runtime.bundle.front import Delta, Front, Number, Table
from fairlead.runtime.bundle.ops import Clip, Divide, Impute, Missing, Part, Subtract

SUMMER = timezone(timedelta(hours=2))
COLUMNS = (
    Column("amount", "number"),
    Column("count", "integer", minimum=-5.0, maximum=1000.0),
    Column("member", "boolean"),
    Column("plan", "category", categories=("a", "b")),
    Column("region", "category", coded="integer"),
    Column("active", "category", coded="boolean"),
    Column("note", "text"),
    Column("at", "time"),
)


def signature(zone: str = "Europe/Berlin", nullable: bool = True) -> Signature:
    columns = tuple(
        Column(c.name, c.kind, coded=c.coded, minimum=c.minimum, maximum=c.maximum, nullable=nullable) for c in COLUMNS
    )
    return Signature("classification", columns, classes=("No", "Yes"), timezone=zone)


def one_hot(column: str, keys: tuple[Any, ...], **more: Any) -> Table:
    rows = tuple((Delta(at, 1.0),) for at in range(len(keys)))
    return Table(column, keys, rows, (0.0,) * len(keys), **more)


def front(closed: bool = False, required: bool = False) -> Front:
    lanes = (
        Number("amount", (Impute(1.5), Subtract(0.25), Divide(3.0))),
        Number("amount", (Missing(),)),
        Number("count", (Clip(0.0, 50.0),)),
        Number("member"),
        one_hot("plan", ("a", "b", "ü"), closed=closed, required=required),
        Table("plan", ("a", "b"), ((Delta(0, 2.0), Delta(1, None)), ()), (0.5, 0.25), (Delta(1, -1.0),)),
        one_hot("region", ("7", "-3", "12")),
        one_hot("active", ("true", "false"), required=required),
        one_hot("note", ("hello",), missing=(Delta(0, -2.0),)),
        one_hot("count", (1.0, 5.0, -2.0), closed=closed, before=(Impute(5.0),)),
        Number("at", (Part("hour"),)),
        Number("at"),
    )
    return Front(tuple(c.name for c in COLUMNS), tuple(c.numeric for c in COLUMNS), lanes)


moments = st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)).map(lambda at: at.replace(tzinfo=SUMMER))
POOL: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.floats(allow_nan=False, allow_infinity=False, width=32) | st.sampled_from([0.0, -0.0, 1e300]),
    "count": st.integers(-5, 1000) | st.sampled_from([1, 5, -2]),
    "member": st.booleans(),
    "plan": st.sampled_from(["a", "b", "ü", "never seen", ""]) | st.text(max_size=4),
    "region": st.sampled_from([7, -3, 12, 0]) | st.integers(-(2**40), 2**40),
    "active": st.booleans(),
    "note": st.sampled_from(["hello", "x"]) | st.text(max_size=3),
    "at": moments,
}


@st.composite
def tables(draw: st.DrawFn, gaps: bool = True) -> list[dict[str, Any]]:
    """Rows whose cells repeat, more than are looked at one by one."""
    order = draw(st.randoms(use_true_random=False))
    pools = {}
    for name, cells in POOL.items():
        pool = draw(st.lists(cells, min_size=1, max_size=5))
        pools[name] = [*pool, None] if gaps and draw(st.booleans()) else pool
    count = draw(st.sampled_from([1, 3, 70, 300, 600]))
    return [{name: order.choice(pool) for name, pool in pools.items()} for _ in range(count)]


def listed(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def categorical(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in listed(rows).items()})
    for name in ("plan", "note"):
        held = sorted({cell for cell in frame[name] if cell is not None})
        frame[name] = pd.Categorical(frame[name], categories=["unused", *held])
    for name, kind in (("count", "Int64"), ("member", "boolean"), ("amount", "Float64"), ("region", "Int64")):
        frame[name] = frame[name].astype(kind)
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    return frame


def arrow(rows: list[dict[str, Any]]) -> pa.Table:
    kinds = {"amount": pa.float64(), "count": pa.int32(), "member": pa.bool_(), "plan": pa.string()}
    kinds |= {"region": pa.int64(), "active": pa.bool_(), "note": pa.large_string(), "at": pa.timestamp("us", "UTC")}
    return pa.table({name: pa.array(cells, kinds[name]) for name, cells in listed(rows).items()})


def chunked(rows: list[dict[str, Any]]) -> pa.Table:
    """In two pieces, with a dictionary of its own each."""
    whole = arrow(rows)
    parts = [whole.slice(0, len(rows) // 2), whole.slice(len(rows) // 2)]
    for name in ("plan", "note", "region"):
        at = whole.schema.get_field_index(name)
        parts = [part.set_column(at, name, part.column(name).dictionary_encode()) for part in parts]
    return pa.concat_tables(parts)


def polars(rows: list[dict[str, Any]]) -> pl.DataFrame:
    kinds = {"amount": pl.Float64, "count": pl.Int64, "member": pl.Boolean, "plan": pl.String, "region": pl.Int64}
    kinds |= {"active": pl.Boolean, "note": pl.String, "at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(listed(rows), schema=kinds)


def marked(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Objects, with every way in which pandas marks a gap."""
    marks = {"plan": pd.NA, "note": float("nan"), "active": pd.NA, "at": pd.NaT, "amount": float("nan")}
    filled = [{name: marks.get(name) if cell is None else cell for name, cell in row.items()} for row in rows]
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in listed(filled).items()})


def wide(rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    found = np.empty((len(rows), len(COLUMNS)), dtype=object)
    for at, row in enumerate(rows):
        found[at] = [row[c.name] for c in COLUMNS]
    return found


HOLDERS = {
    "lists": listed,
    "objects": wide,
    "pandas": lambda rows: pd.DataFrame(listed(rows)),
    "marked": marked,
    "categorical": categorical,
    "polars": polars,
    "polars categories": lambda rows: polars(rows).with_columns(pl.col("plan").cast(pl.Categorical)),
    "polars enum": lambda rows: polars(rows).with_columns(
        pl.col("plan").cast(pl.Enum(["unused", *sorted({row["plan"] for row in rows if row["plan"] is not None})]))
    ),
    "arrow": arrow,
    "chunked": chunked,
    "batch": lambda rows: arrow(rows).combine_chunks().to_batches()[0],
}


@pytest.fixture(params=["kernel", "numpy"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(coded, "kernel", None)
        monkeypatch.setattr(by_column, "kernel", None)
    elif coded.kernel is None:
        pytest.skip("a C compiler is missing: there is no kernel of columns")


def told(error: InputInvalid) -> tuple[Any, ...]:
    return (type(error), error.row, error.column) if isinstance(error, CellInvalid) else (type(error), str(error))


def outcome(run: Any) -> Any:
    try:
        return run().tobytes()
    except InputInvalid as error:
        return told(error)


def same(rows: list[dict[str, Any]], table: Any, model: Front, sign: Signature) -> None:
    expected = outcome(lambda: model.row_encoder()(rows_from(rows, sign)))
    assert outcome(lambda: model.encode(coded_columns_from(table, sign))) == expected
    assert outcome(lambda: model.encode(columns_from(table, sign))) == expected


@pytest.mark.parametrize("holder", HOLDERS)
@settings(max_examples=10, deadline=None)
@given(rows=tables(), closed=st.booleans(), required=st.booleans(), zone=st.sampled_from(["UTC", "Europe/Berlin"]))
def test_features_of_a_table_are_those_of_its_rows(
    holder: str, rows: list[dict[str, Any]], closed: bool, required: bool, zone: str
) -> None:
    same(rows, HOLDERS[holder](rows), front(closed, required), signature(zone))


WRONG: dict[str, list[Any]] = {
    "amount": ["text", True, float("inf"), None],
    "count": [1.5, 1001, "7", None],
    "member": [2, "yes", None],
    "plan": [7.5, True, 3, None],
    "region": [7.5, True, None],
    "active": [3, 0.0, None],
    "note": [b"bytes", 1, None],
    "at": ["no time", True, None],
}


@pytest.mark.parametrize("holder", ["lists", "objects", "marked"])
@settings(max_examples=25, deadline=None)
@given(data=st.data(), rows=tables(gaps=False))
def test_what_does_not_fit_is_said_of_the_same_cell(
    holder: str, data: st.DataObject, rows: list[dict[str, Any]]
) -> None:
    name = data.draw(st.sampled_from(sorted(WRONG)))
    cell = data.draw(st.sampled_from(WRONG[name]))
    for at in data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=3)):
        rows[at][name] = cell
    same(rows, HOLDERS[holder](rows), front(), signature(nullable=cell is not None))


@pytest.mark.parametrize("holder", ["pandas", "categorical", "polars", "arrow", "chunked"])
@settings(max_examples=10, deadline=None)
@given(data=st.data(), rows=tables(gaps=False))
def test_a_gap_is_said_of_the_same_cell(holder: str, data: st.DataObject, rows: list[dict[str, Any]]) -> None:
    rows[data.draw(st.integers(0, len(rows) - 1))][data.draw(st.sampled_from(sorted(WRONG)))] = None
    same(rows, HOLDERS[holder](rows), front(), signature(nullable=False))


def test_a_category_that_is_not_used_is_never_looked_at() -> None:
    plan = pd.Categorical(["2024-07-01", "2024-07-02"] * 200, categories=["no time", "2024-07-01", "2024-07-02"])
    found = columns_from({"at": pd.Series(plan)}, Signature("regression", (Column("at", "time"),)))
    assert set(found["at"].tolist()) == {1719792000.0, 1719878400.0}


def test_codes_in_an_array_of_whole_numbers_are_texts_and_bad_ones_are_named() -> None:
    sign = Signature("regression", (Column("region", "category", coded="integer"),))
    numbers = np.array([7, -3, 12] * 200)
    assert columns_from({"region": numbers}, sign)["region"].tolist() == ["7", "-3", "12"] * 200
    with pytest.raises(CellInvalid, match="row 4, column 'region'"):
        columns_from({"region": np.array([7.0, np.nan, 1.0, 2.0, 2.5, 3.5])}, sign)


@pytest.mark.parametrize("holder", ["lists", "pandas", "polars", "arrow", "objects"])
def test_texts_that_hardly_repeat_are_the_same_too(holder: str) -> None:
    rows = [{**{c.name: None for c in COLUMNS}, "note": f"note {at}", "plan": "ab"[at % 2]} for at in range(9000)]
    rows[8000]["note"] = "hello"
    same(rows, HOLDERS[holder](rows), front(), signature())


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_table_without_rows_has_no_features(holder: str) -> None:
    row = {"amount": 1.0, "count": 1, "member": True, "plan": "a", "region": 7, "active": True, "note": "x"}
    table = HOLDERS[holder]([{**row, "at": datetime(2024, 7, 1, tzinfo=UTC)}])
    none = {name: [] for name in table} if isinstance(table, dict) else table[:0]
    assert front().encode(coded_columns_from(none, signature())).shape == (0, front().width)


def test_a_refused_category_keeps_its_row_in_a_long_table() -> None:
    model = front(closed=True)
    rows = [{**{c.name: None for c in COLUMNS}, "plan": "a"}] * 700
    rows[650] = {**rows[0], "plan": "never seen"}
    columns = coded_columns_from(listed(rows), signature())
    with pytest.raises(CellInvalid, match="row 10650, column 'plan'"):
        list(model.column_encoder().blocks(columns, 100, first=10_000))


def test_blocks_are_the_whole_in_pieces() -> None:
    rows = [{**{c.name: None for c in COLUMNS}, "plan": "ab"[at % 2], "amount": float(at)} for at in range(1000)]
    columns, encoder = coded_columns_from(listed(rows), signature()), front().column_encoder()
    pieces = np.concatenate([block.copy() for block in encoder.blocks(columns, 300)])
    assert pieces.tobytes() == encoder(columns).tobytes()


def test_dates_and_finer_times_are_read_as_ever() -> None:
    sign = Signature("regression", (Column("at", "time"),))
    nanos = pd.to_datetime(["2024-07-01T00:00:00.123456789Z"] * 3 + [None])
    assert columns_from({"at": pd.Series(nanos)}, sign)["at"][0] == pytest.approx(nanos[0].timestamp(), abs=1e-6)
    days = pa.table({"at": pa.array([date(2024, 7, 1), None])})
    assert columns_from(days, sign)["at"][0] == 1719792000.0
    late = pa.table({"at": pa.array([2**62], pa.timestamp("us", "UTC"))})
    with pytest.raises((OverflowError, ValueError)):
        columns_from(late, sign)


def test_codes_number_objects_as_they_come(kernel: None) -> None:
    if coded.kernel is None:
        assert coded_objects(["a"] * 1000) is None
        return
    cells = ["a", None, float("nan"), "b", True, 1, "a", 1.0, pd.NA, "".join(("a", "b")), "ab", 10**30, 10**30] * 40
    for held in (cells, np.array(cells, dtype=object), np.array([cells, cells], dtype=object).T[:, 0]):
        found = coded_objects(held)
        assert found is not None
        assert [type(cell) for cell in found.cells] == [type(c) for c in ("a", None, "b", True, 1, 1.0, pd.NA, "", 1)]
        again = found.array().tolist()
        assert all(a is b or a == b or b != b for a, b in zip(again, cells, strict=True) if b is not pd.NA)
    assert coded_objects([str(at) for at in range(9000)]) is None
    sliced = Coded(np.arange(5, dtype=np.int32), list("abcde"))[1:3]
    assert (len(sliced), list(sliced)) == (2, ["b", "c"])
