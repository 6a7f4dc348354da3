"""Tables whose cells are tensors, scored: every way in which files hold them, errors by row, memory by bytes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid, ColumnMissing
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.reach.score import score_table
from fairlead.reach.score.batch import score_batches
from fairlead.reach.score.wide import BATCH_BYTES, BATCH_ROWS, read_texts, rows_at_once
from fairlead.runtime.bundle.front import Front, Number, Tensor
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, LinearTail

IMAGE = Column("image", "tensor", nullable=False, dtype="uint8", shape=(2, 3))
SIGNATURE = Signature("regression", (IMAGE, Column("x", "number")), key="id")
SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y"))
PIXELS = np.random.default_rng(0).integers(0, 256, (500, 6), dtype=np.uint8)
X = np.arange(500, dtype=np.float64)
WEIGHTS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 0.5)


@pytest.fixture
def model() -> Model:
    front = Front(("image", "x"), (False, True), (Tensor("image", "uint8", 6), Number("x")))
    tail = LinearTail(LinearForm(tuple((w,) for w in WEIGHTS), (0.0,), "identity"), 7)
    return Model("id", None, SIGNATURE, front, tail)  # type: ignore[arg-type]


def expected() -> np.ndarray:
    return np.column_stack([PIXELS.astype(float), X]) @ np.array(WEIGHTS)


def flat() -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(PIXELS.reshape(-1)), 6)


FORMS: dict[str, Any] = {
    "fixed-size lists": flat,
    "nested fixed-size lists": lambda: pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(PIXELS.reshape(-1)), 3), 2
    ),
    "nested lists": lambda: pa.array(PIXELS.reshape(-1, 2, 3).tolist(), pa.list_(pa.list_(pa.int64()))),
    "lists of doubles": lambda: pa.array(PIXELS.astype(float).tolist(), pa.list_(pa.float64())),
    "bytes": lambda: pa.array([one.tobytes() for one in PIXELS], pa.binary()),
    "json": lambda: pa.array([json.dumps(one.reshape(2, 3).tolist()) for one in PIXELS]),
    "base64": lambda: pa.array([base64.b64encode(one.tobytes()).decode() for one in PIXELS]),
}


def table(form: str = "fixed-size lists") -> pa.Table:
    return pa.table({"id": [f"k{at}" for at in range(500)], "image": FORMS[form](), "x": X})


@pytest.mark.parametrize("form", FORMS)
def test_parquet_and_arrow_files_of_every_form_are_scored(model: Model, tmp_path: Path, form: str) -> None:
    pq.write_table(table(form), tmp_path / "rows.parquet", row_group_size=170)
    feather.write_feather(table(form), tmp_path / "rows.feather")
    for name in ("rows.parquet", "rows.feather"):
        done = score_table(model, tmp_path / name, tmp_path / "out.parquet", SETTINGS)
        out = pq.read_table(tmp_path / "out.parquet")
        assert done.rows == 500
        # What comes out is what came out before there were tensors.
        assert out.schema.names == ["id", "value"]
        assert out.column("id").to_pylist() == [f"k{at}" for at in range(500)]
        assert np.allclose(out.column("value").to_numpy(), expected(), rtol=1e-12)


@pytest.mark.parametrize("form", ["json", "base64"])
def test_csv_holds_tensors_as_json_or_base64(model: Model, tmp_path: Path, form: str) -> None:
    frame = table(form).to_pandas()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    done = score_table(model, tmp_path / "rows.csv", None, SETTINGS)
    assert np.allclose(done.frame["value"], expected(), rtol=1e-12)


@pytest.mark.parametrize(
    "cell", ["[1,2,3]", "[1,2,3,4,5,300]", "[[1,2,3],[4,5", "AAA=", "", "cat.png", '{"b64": 7}', "[" * 9999]
)
def test_a_cell_that_is_no_such_tensor_is_named_by_its_row_and_not_shown(model: Model, cell: str) -> None:
    cells = [json.dumps(one.tolist()) for one in PIXELS]
    cells[333] = cell
    rows = pa.table({"image": cells, "x": X})
    with pytest.raises(CellInvalid, match="row 333, column 'image'") as raised:
        list(score_batches(model, iter(rows.to_batches(max_chunksize=100))))
    assert not cell or cell not in str(raised.value)
    assert "uint8 of shape [2, 3]" in str(raised.value)


@given(
    st.one_of(
        st.text(max_size=40),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
            lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.sampled_from(["b64", "x"]), inner)),
            max_leaves=8,
        ).map(json.dumps),
        st.binary(max_size=8).map(lambda data: base64.b64encode(data).decode()),
    )
)
def test_any_text_is_a_tensor_or_refused(text: str) -> None:
    batch = pa.RecordBatch.from_pydict({"image": [text], "x": [1.0]})
    said: tuple[int, str] | int
    try:
        said = len(read_texts(batch, SIGNATURE, 7).column(0)[0].as_py())
    except CellInvalid as refused:
        said = refused.row, refused.column
    assert said in (6, (7, "image"))


def test_lists_of_other_lengths_or_with_gaps_are_refused_by_row(model: Model) -> None:
    cells: list[Any] = PIXELS.tolist()
    for bad in (cells[3][:5], [*cells[3][:5], None], None):
        rows = pa.table({"image": pa.array([*cells[:3], bad, *cells[4:]], pa.list_(pa.uint8())), "x": X})
        with pytest.raises(CellInvalid, match="row 3, column 'image'"):
            list(score_batches(model, iter(rows.to_batches())))
    with pytest.raises(ColumnMissing, match="image"):
        list(score_batches(model, iter(pa.table({"x": X}).to_batches())))


def test_rows_at_once_follow_the_bytes_of_a_row() -> None:
    assert rows_at_once(Signature("regression", (Column("x", "number"),))) == BATCH_ROWS
    large = Column("image", "tensor", nullable=False, dtype="uint8", shape=(224, 224, 3))
    assert rows_at_once(Signature("regression", (large,))) == BATCH_BYTES // (8 * 150_528) == 27
    huge = Column("image", "tensor", nullable=False, dtype="uint8", shape=(1000, 1000))
    assert rows_at_once(Signature("regression", tuple([huge] * 9))) == 1


SCORING = r"""
import re, resource, sys
from pathlib import Path
import numpy as np
import pandas, pyarrow.parquet, pyarrow.compute, pyarrow.feather
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.tables import columns_of, open_table, write_rows
from fairlead.reach.score import score_table
from fairlead.runtime.bundle.front import Front, Tensor
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, LinearTail

size = 224 * 224 * 3
column = Column("image", "tensor", nullable=False, dtype="uint8", shape=(224, 224, 3))
front = Front(("image",), (False,), (Tensor("image", "uint8", size),))
tail = LinearTail(LinearForm(((1.0,),) * size, (0.0,), "identity"), size)
model = Model("id", None, Signature("regression", (column,)), front, tail)
settings = Settings(model=ModelSettings(name="m", task="regression", target="y"))
model.score_columns({"image": np.zeros((27, size), np.uint8)})
data = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10
# Whoever allocates more than this fails: files that are mapped do not count, copies of their rows do.
resource.setrlimit(resource.RLIMIT_DATA, (data + (int(sys.argv[2]) << 20),) * 2)
print(score_table(model, Path(sys.argv[1]), Path(sys.argv[1] + ".out.parquet"), settings).rows)
"""


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_memory_is_bounded_by_bytes(tmp_path: Path, ending: str) -> None:
    size, rows = 224 * 224 * 3, 1600
    path = tmp_path / f"rows.{ending}"
    # 240 MB in one row group and in one batch, as who knows nothing of groups writes them.
    cells = np.random.default_rng(0).integers(0, 256, rows * size, dtype=np.uint8)
    images = pa.table({"image": pa.FixedSizeListArray.from_arrays(pa.array(cells), size)})
    if ending == "parquet":
        pq.write_table(images, path, compression="none", row_group_size=rows)
    else:
        feather.write_feather(images, path, compression="uncompressed")
    done = subprocess.run(
        [sys.executable, "-c", SCORING, str(path), "200"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(rows)]
