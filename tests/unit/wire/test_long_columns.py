"""Long tables as CSV and Arrow: the same cells and errors as their rows have one by one, however often cells repeat."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid, InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import coded
from fairlead.runtime.wire.arrow_tables import MEDIA
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.mlflow import MLflow
from fairlead.runtime.wire.native import Native

COLUMNS = (
    Column("n", "integer", minimum=-3.0, maximum=50.0),
    Column("x", "number"),
    Column("plan", "category"),
    Column("season", "category", coded="integer"),
    Column("member", "boolean"),
    Column("seen", "time"),
    Column("note", "text", nullable=False),
)
SIGNATURE = Signature("classification", COLUMNS, classes=("no", "yes"), key="id", time=("moment",))
CHECKS = Checks(SIGNATURE)
CSV, ARROW = MLflow("m", SIGNATURE, CHECKS), Native("m", SIGNATURE, CHECKS)
NAMES = ["id", *SIGNATURE.names, "moment"]
CELLS: dict[str, st.SearchStrategy[str]] = {
    "id": st.integers(0, 10**6).map(str),
    "n": st.sampled_from(["1", "2.0", " 3 ", "", "NA", "-3", "1e1"]),
    "x": st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(["", "nan", "?", " 2 ", "5"]),
    "plan": st.sampled_from(["a", "", " ", "ü", 'quoted "', "two, words"]) | st.text(max_size=3),
    "season": st.sampled_from(["1", "2.0", "", "-7"]),
    "member": st.sampled_from(["true", "FALSE", "1", "0", "", "1.0"]),
    "seen": st.sampled_from(["2024-07-01", "01.07.2024 05:00", "", "12.5", "null"]),
    "note": st.sampled_from(["x", "long text", "7"]),
    "moment": st.sampled_from(["2024-07-01", "", "01.07.2024"]),
}
WRONG = {"n": "51", "x": "text", "season": "1.5", "member": "2", "seen": "soon", "note": " ", "moment": "never"}


@pytest.fixture(params=["kernel", "none"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "none":
        monkeypatch.setattr(coded, "kernel", None)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    order, count = draw(st.randoms(use_true_random=False)), draw(st.sampled_from([1, 5, 300, 1100, 1500]))
    pools = [draw(st.lists(cells, min_size=1, max_size=4)) for cells in CELLS.values()]
    if draw(st.booleans()):
        # A column that hardly repeats, and one that does so at first.
        pools[2] = [str(number / 7) for number in range(count)]
        return [[pool[at % len(pool)] if at > 1024 else order.choice(pool) for pool in pools] for at in range(count)]
    return [[order.choice(pool) for pool in pools] for _ in range(count)]


def text(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([NAMES, *rows])
    return out.getvalue().encode()


def parsed(rows: list[list[str]]) -> Parsed:
    return CSV.parse(text(rows), {"content-type": "text/csv"})


@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(tables())
def test_a_long_text_has_the_cells_of_its_lines(rows: list[list[str]]) -> None:
    each = {tuple(row): parsed([row]) for row in rows}
    alone = [each[tuple(row)] for row in rows]
    whole = parsed(rows)
    assert list(map(tuple, whole.rows)) == [tuple(one.rows[0]) for one in alone]
    none = (None, None)
    assert list(whole.passes or [none] * len(rows)) == [one.passes[0] if one.passes else none for one in alone]


@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(st.data(), tables())
def test_the_first_cell_that_does_not_fit_is_named(data: st.DataObject, rows: list[list[str]]) -> None:
    name = data.draw(st.sampled_from(sorted(WRONG)))
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=3))
    for at in places:
        rows[at][NAMES.index(name)] = WRONG[name]
    with pytest.raises(CellInvalid) as alone:
        parsed([rows[min(places)]])
    with pytest.raises(CellInvalid) as raised:
        parsed(rows)
    found = raised.value
    assert (found.row, found.column, found.found) == (min(places), name, alone.value.found)


def test_a_line_of_another_length_is_named_wherever_it_is() -> None:
    rows = [["7", "1", "2", "a", "1", "true", "0", "x", "2024-07-01"] for _ in range(3000)]
    rows[2100] = rows[2100][:-1]
    with pytest.raises(InputInvalid, match="row 2100: 8 values for 9 columns"):
        parsed(rows)
    with pytest.raises(InputInvalid, match="not valid CSV"):
        CSV.parse(text(rows[:2000]) + b'"open', {"content-type": "text/csv"})


def streamed(table: Any, rows: int | None = None) -> Parsed:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table, max_chunksize=rows)
    return ARROW.parse(bytes(sink.getvalue()), {"content-type": MEDIA})


texts = st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(texts, st.sampled_from([2, 300, 5000]), st.booleans(), st.sampled_from([None, 1000]), st.booleans())
def test_arrow_texts_are_the_same_in_every_form(
    pool: list[str | None], count: int, large: bool, piece: int | None, unused: bool
) -> None:
    plan = [pool[at % len(pool)] for at in range(count)]
    if count == 5000 and len(pool) > 3:
        plan[500:] = [f"{at}" for at in range(4500)]
    column = pa.array(plan, pa.large_string() if large else pa.string())
    forms = [column, column.dictionary_encode()]
    if unused:
        known = [*dict.fromkeys([*plan, "unused", None, "x" * 100])]
        places = {cell: at for at, cell in enumerate(known)}
        forms.append(pa.DictionaryArray.from_arrays([places[cell] for cell in plan], pa.array(known)))
    for form in forms:
        table = pa.table(
            {
                "n": pa.array([1] * count), "x": pa.array([0.5] * count), "plan": form, "season": pa.array([1] * count),
                "member": pa.array([True] * count), "seen": pa.array(["2024-07-01"] * count),
                "note": pa.array(["x"] * count), "id": form, "moment": pa.nulls(count, pa.string()),
            }
        )  # fmt: skip
        got = streamed(table, piece)
        assert [row[2] for row in got.rows] == plan
        assert [row[0] for row in got.passes or [(None,)] * count] == plan
        assert {row[5] for row in got.rows} == {1719792000.0}


def test_an_arrow_text_that_is_missing_is_named() -> None:
    count = 4000
    columns = {
        "n": [1] * count, "x": [0.5] * count, "plan": ["a"] * count, "season": [1] * count, "member": [True] * count,
        "seen": [0.0] * count, "note": ["x"] * 3210 + [None] + ["y"] * (count - 3211),
    }  # fmt: skip
    with pytest.raises(CellInvalid, match="row 3210, column 'note': found null"):
        streamed(pa.table(columns))
    columns["note"] = ["x"] * count
    columns["season"] = ["1"] * 99 + ["1.5"] * (count - 99)
    with pytest.raises(CellInvalid, match="row 99, column 'season'"):
        streamed(pa.table(columns))
