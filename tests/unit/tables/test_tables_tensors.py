"""Columns of tensors in tables of every kind: read as arrays, described, and brought to the columns form."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from fairlead.contract.errors import CellInvalid, SourceUnreadable
from fairlead.contract.signature import Column, Signature
from fairlead.lab.tables import columns_of, frame_of, infer, open_table, write_rows
from fairlead.lab.tables.tensors import arrow_lists, column_of

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
IMAGE = Column("image", "tensor", nullable=False, low=0.0, high=29.0, dtype="uint8", shape=(2, 3))
SIGNATURE = Signature("regression", (IMAGE,))


def nested(kind: str) -> pa.Array | pa.ChunkedArray:
    if kind == "lists":
        return pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.uint8())))
    if kind == "large":
        return pa.array(IMAGES.tolist(), pa.large_list(pa.list_(pa.uint8(), 3)))
    if kind == "fixed":
        return arrow_lists(IMAGES)
    if kind == "tensor":
        return pa.FixedShapeTensorArray.from_numpy_ndarray(IMAGES)
    return pa.array(IMAGES.reshape(5, 6).tolist(), pa.list_(pa.uint8(), 6))


@pytest.mark.parametrize("ending", ["parquet", "feather", "memory"])
@pytest.mark.parametrize("kind", ["lists", "large", "fixed", "tensor", "flat"])
def test_lists_are_arrays_in_their_shape(tmp_path, kind, ending):
    array = nested(kind)
    field = pa.field("image", array.type, metadata={"shape": json.dumps([2, 3])} if kind == "flat" else None)
    table = pa.Table.from_arrays(
        [array, pa.array(range(5)), pa.array(list("abcde"))],
        schema=pa.schema([field, pa.field("n", pa.int64()), pa.field("word", pa.string())]),
    )
    source = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        parquet.write_table(table, source, row_group_size=2)
    elif ending == "feather":
        with pa.ipc.new_file(source, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    frame = open_table(table if ending == "memory" else source).frame()
    assert list(frame.columns) == ["image", "n", "word"]
    assert column_of("image", frame["image"]) == IMAGE
    for rows in (frame, table, table.to_batches()[0], {"image": IMAGES}):
        found = columns_of(rows, SIGNATURE)["image"]
        assert found.dtype == np.uint8
        assert np.array_equal(found, IMAGES.reshape(5, 6))


def test_a_frame_of_tensors_comes_back(tmp_path):
    frame = frame_of({"image": IMAGES.reshape(5, 6)}, SIGNATURE)
    assert frame["image"][2].shape == (2, 3)
    table = open_table(frame)
    assert table.hash == open_table(frame.copy()).hash
    moved = frame.copy()
    moved.at[0, "image"] = IMAGES[0] + 1
    assert open_table(moved).hash != table.hash
    assert np.array_equal(np.stack(open_table(next(table.batches())).frame()["image"]), IMAGES)
    assert open_table(frame.assign(n=1.0)).frame()["n"].tolist() == [1.0] * 5


def test_numpy_files_are_tables(tmp_path):
    np.savez(tmp_path / "rows.npz", image=IMAGES, digit=np.arange(5), word=np.array(list("abcde")))
    table = open_table(tmp_path / "rows.npz")
    assert table.columns == ("image", "digit", "word")
    assert table.rows == 5
    frame = table.frame()
    assert column_of("image", frame["image"]) == IMAGE
    assert frame["digit"].tolist() == [0, 1, 2, 3, 4]
    assert frame["word"].tolist() == list("abcde")
    np.save(tmp_path / "image.npy", IMAGES)
    assert column_of("image", open_table(tmp_path / "image.npy").frame()["image"]) == IMAGE


def test_numpy_files_run_no_code_and_have_as_many_rows_in_every_array(tmp_path):
    np.savez(tmp_path / "objects.npz", image=np.array([print, None], dtype=object))
    with pytest.raises(SourceUnreadable, match="Python objects"):
        open_table(tmp_path / "objects.npz")
    np.savez(tmp_path / "ragged.npz", image=IMAGES, digit=np.arange(4))
    with pytest.raises(SourceUnreadable, match="image 5, digit 4"):
        open_table(tmp_path / "ragged.npz")
    np.savez(tmp_path / "alone.npz", image=IMAGES, scale=np.float64(3))
    with pytest.raises(SourceUnreadable, match="scale none"):
        open_table(tmp_path / "alone.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(SourceUnreadable, match="not a readable numpy file"):
        open_table(tmp_path / "torn.npz")


@pytest.mark.parametrize(
    ("cells", "dtype", "shape"),
    [
        ([[1, 2], [3, 4]], "int32", (2,)),
        ([[1, 2**40], [3, 4]], "float64", (2,)),
        ([[0.5, 2.0], [3.0, 4.0]], "float64", (2,)),
        ([[True], [False]], "uint8", (1,)),
        (np.zeros((2, 3), np.float16), "float16", (3,)),
    ],
)
def test_what_elements_are_kept_as(cells, dtype, shape):
    found = column_of("x", pd.Series(list(cells)))
    assert found is not None
    assert (found.dtype, found.shape, found.nullable) == (dtype, shape, False)


def test_inference_tells_tensors_over_all_batches(tmp_path):
    wide = IMAGES.astype(np.int64)
    wide[4] = 2**40
    table = pa.table({"image": arrow_lists(IMAGES), "wide": arrow_lists(wide), "ragged": [[1], [1, 2], [1], [1], [1]]})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    batches = open_table(pa.Table.from_batches(table.to_batches(max_chunksize=2)))
    for source in (tmp_path / "rows.parquet", batches):
        image, several, ragged = infer(source).columns
        assert (image.kind, image.role, image.dtype, image.shape, image.low, image.high) == (
            "tensor", "feature", "uint8", (2, 3), 0.0, 29.0,
        )  # fmt: skip
        assert (several.dtype, several.high) == ("float64", 2.0**40)
        assert (ragged.kind, ragged.role) == ("text", "unusable")


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_frames_of_tensors_are_written_and_read_as_they_were(tmp_path, ending):
    frame = pd.DataFrame({"n": [1.5] * 5, "image": list(IMAGES), "word": list("abcde")})
    assert write_rows(frame, tmp_path / f"rows.{ending}") == 5
    found = open_table(tmp_path / f"rows.{ending}").frame()
    assert list(found.columns) == ["n", "image", "word"]
    assert column_of("image", found["image"]) == IMAGE
    assert np.array_equal(np.stack(found["image"]), IMAGES)


def test_lists_of_several_lengths_and_texts_are_no_tensors():
    for cells in ([[1, 2], [3]], [["a"], ["b"]], [[1.0], [None]], [[float("nan")], [1.0]], ["ab", "cd"], [{}, {}]):
        assert column_of("x", pd.Series(cells)) is None
    ragged = pa.table({"x": [[1, 2], [3]], "n": [1, 2]})
    assert open_table(ragged).frame()["x"].tolist()[1].tolist() == [3]


@pytest.mark.parametrize("rows", ["arrow", "pandas"])
def test_a_cell_that_does_not_fit_is_named_by_its_row(rows):
    cells = [IMAGES[0].tolist(), IMAGES[1].tolist(), [[1, 2], [3, 400]]]
    given = pa.table({"image": cells}) if rows == "arrow" else pd.DataFrame({"image": cells})
    with pytest.raises(CellInvalid, match=r"row 12, column 'image'.*uint8 of shape \[2, 3\]"):
        columns_of(given, SIGNATURE, first_row=10)
    with pytest.raises(CellInvalid, match="row 1, "):
        columns_of(pd.DataFrame({"image": [IMAGES[0], None]}), SIGNATURE, invalid="missing")
    assert columns_of(pa.table({"image": pa.array([], pa.list_(pa.uint8()))}), SIGNATURE)["image"].shape == (0, 6)
