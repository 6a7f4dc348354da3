"""Tables scored batch by batch: the answers of the rows, and errors that name the row of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.reach.score.batch import score_batches
from fairlead.runtime.bundle.front import Delta, Front, Number, Table
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, LinearTail

SIGNATURE = Signature("regression", (Column("x", "number"), Column("plan", "category", categories=("a", "b"))))
FRONT = Front(
    ("x", "plan"),
    (True, False),
    (
        Number("x"),
        Table("plan", ("a", "b"), ((Delta(0, 1.0),), (Delta(1, 1.0),)), (0.0, 0.0), closed=True, required=True),
    ),
)


@pytest.fixture
def model() -> Model:
    tail = LinearTail(LinearForm(((1.0,), (10.0,), (20.0,)), (0.5,), "identity"), 3)
    return Model("id", None, SIGNATURE, FRONT, tail)  # type: ignore[arg-type]


def batches(plans: list[Any], rows: int) -> Any:
    table = pa.table({"x": np.arange(len(plans), dtype=float), "plan": pa.array(plans, pa.string())})
    return iter(table.to_batches(max_chunksize=rows))


@pytest.mark.parametrize("rows", [7, 1000])
def test_every_row_is_answered_as_by_itself(model: Model, rows: int) -> None:
    plans = ["a", "b", "b"] * 300
    found = pa.concat_tables(score_batches(model, batches(plans, rows)))["value"].to_pylist()
    assert found == [model.score_rows([[float(at), plan]]).item() for at, plan in enumerate(plans)]


@pytest.mark.parametrize("cell", [None, "never seen"])
def test_a_refused_cell_is_named_by_its_row_in_the_table(model: Model, cell: str | None) -> None:
    plans: list[Any] = ["a"] * 500
    plans[333] = cell
    with pytest.raises(CellInvalid, match="row 333, column 'plan'"):
        list(score_batches(model, batches(plans, 100)))
