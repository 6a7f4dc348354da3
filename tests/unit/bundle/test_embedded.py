"""`fairlead.load(bundle).predict(rows)`: the same answers whatever library holds the rows, without a server."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fairlead
from fairlead.contract.errors import CellInvalid, ColumnMissing, ColumnUnknown, InputInvalid, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.cells import rows_from
from fairlead.runtime.bundle.columns import columns_from

COLUMNS = (
    Column("amount", "number"),
    Column("count", "integer", minimum=0.0, maximum=100.0),
    Column("member", "boolean"),
    Column("plan", "category", categories=("a", "b")),
    Column("at", "time"),
)
ZONED = Signature("classification", COLUMNS, classes=("No", "Yes"), timezone="Europe/Berlin")
BERLIN_SUMMER = timezone(timedelta(hours=2))
AT = datetime(2024, 7, 1, 12, 0, tzinfo=BERLIN_SUMMER)
ROWS: list[dict[str, Any]] = [
    {"amount": 1.5, "count": 3, "member": True, "plan": "a", "at": AT},
    {"amount": None, "count": None, "member": None, "plan": None, "at": None},
    {"amount": -2.0, "count": 100, "member": False, "plan": "z", "at": AT.astimezone(UTC) + timedelta(days=1)},
]
TABLES = {
    "columns": {name: [row[name] for row in ROWS] for name in ROWS[0]},
    "pandas": pd.DataFrame(ROWS),
    "polars": pl.DataFrame({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "arrow table": pa.table({name: pa.array([row[name] for row in ROWS]) for name in ROWS[0]}),
    "arrow batch": pa.RecordBatch.from_pydict({name: pa.array([row[name] for row in ROWS]) for name in ROWS[0]}),
    "arrow dictionary": pa.table(
        {
            name: pa.array([row[name] for row in ROWS]).dictionary_encode()
            if name == "plan"
            else pa.array([row[name] for row in ROWS])
            for name in ROWS[0]
        }
    ),
    "array of objects": np.array([[row[name] for name in ROWS[0]] for row in ROWS], dtype=object),
}


def as_rows(columns: Any) -> list[list[Any]]:
    found = [[None if cell is None or cell != cell else cell for cell in columns[c.name]] for c in COLUMNS]
    return [list(row) for row in zip(*found, strict=True)]


@pytest.mark.parametrize("held", TABLES)
def test_every_library_gives_the_same_cells(held: str) -> None:
    assert as_rows(columns_from(TABLES[held], ZONED)) == rows_from(ROWS, ZONED)


def test_a_time_without_a_zone_is_of_the_models_zone_wherever_it_is_held() -> None:
    naive = {**ROWS[0], "at": datetime(2024, 7, 1, 12, 0)}
    expected = AT.timestamp()
    for table in (pd.DataFrame([naive]), pl.DataFrame([naive]), pa.Table.from_pylist([naive])):
        assert columns_from(table, ZONED)["at"].tolist() == [expected]


@pytest.mark.parametrize("held", ["pandas", "polars", "arrow table", "columns"])
def test_what_does_not_fit_is_said_alike(held: str) -> None:
    def table(rows: list[dict[str, Any]]) -> Any:
        columns = {name: [row.get(name) for row in rows] for name in rows[0]}
        if held == "pandas":
            return pd.DataFrame(columns)
        return {"polars": pl.DataFrame, "arrow table": pa.table, "columns": dict}[held](columns)

    with pytest.raises(ColumnMissing, match="plan"):
        columns_from(table([{k: v for k, v in ROWS[0].items() if k != "plan"}]), ZONED)
    with pytest.raises(ColumnUnknown, match="colour"):
        columns_from(table([{**ROWS[0], "colour": "red"}]), ZONED)
    with pytest.raises(CellInvalid, match=r"row 1, column 'count': found a value out of range") as raised:
        columns_from(table([ROWS[0], {**ROWS[0], "count": 101}]), ZONED)
    assert "101" not in str(raised.value)
    with pytest.raises(CellInvalid, match="row 0, column 'plan'"):
        columns_from(table([{**ROWS[0], "plan": 7.5}]), ZONED)


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(rows, 5\)"):
        columns_from(np.zeros((2, 3)), ZONED)
    with pytest.raises(ShapeMismatch):
        columns_from(np.zeros(5), ZONED)
    with pytest.raises(InputInvalid, match="collect"):
        columns_from(pl.DataFrame({"amount": [1.0]}).lazy(), ZONED)


def test_a_bundle_answers_in_a_process_that_has_none_of_these_libraries(sealed: Path) -> None:
    model = fairlead.load(sealed)
    names = model.signature.names
    rows = [{c.name: 1.0 if c.numeric else (c.categories or ("x",))[0] for c in model.signature.columns}] * 3
    expected = model.predict(rows)
    assert model.predict(pd.DataFrame(rows)) == expected
    assert model.predict(pl.DataFrame(rows)) == expected
    assert model.predict(pa.Table.from_pylist(rows)) == expected
    assert model.predict({name: [row[name] for row in rows] for name in names}) == expected
    program = (
        f"import sys, fairlead; print(fairlead.load({str(sealed)!r}).predict({rows!r})); "
        "print(sorted({'pandas', 'polars', 'pyarrow', 'sklearn', 'granian', 'uvloop'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [repr(expected), "[]"]
