"""Records of models that take tensors: from the spool to Parquet and back, hidden, encrypted, forgotten, bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fairlead.contract import records as names
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tensor_cells import DTYPES, size
from fairlead.runtime.capture import Records, Spool, Tally, collect, expire, forget, reconcile
from fairlead.runtime.capture import files as written
from fairlead.runtime.capture.keys import configure, current
from fairlead.runtime.capture.moments import moments
from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.capture.spool import LARGEST_WRITE, segments
from fairlead.runtime.capture.tensors import matrix
from fairlead.runtime.wire import frames

AT = 1_600_000_000.0
IMAGE = Column("image", "tensor", nullable=False, dtype="uint8", shape=(4, 3))
BESIDE = Column("age", "number")


def schema_of(image: Column = IMAGE, redacted: tuple[str, ...] = (), bundle: str = "b1") -> frames.Schema:
    signature = Signature("classification", (image, BESIDE), classes=("a", "b"), key="id")
    return frames.Schema("m", bundle, 1, signature, list(redacted), ["id"])


def pixels(column: Column, rows: int, seed: int = 0) -> np.ndarray:
    """Tensors of a column, (rows, elements)."""
    rng, dtype = np.random.default_rng(seed), DTYPES[column.dtype]
    if dtype.kind == "f":
        return rng.normal(size=(rows, size(column))).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.integers(low, high, (rows, size(column)), dtype=dtype, endpoint=True)


def frame(number: int, cells: list[Any], bundle: str = "b1") -> bytes:
    rows = len(cells)
    return frames.encode(
        frames.Prediction(AT + number, 0.001, f"r{number}", None, "m", bundle, "champion", "native",
                          [[cell, float(at)] for at, cell in enumerate(cells)], [[f"k{number}"]] * rows, None,
                          ["a"] * rows, [[0.9, 0.1]] * rows)
    )  # fmt: skip


def opened(home: Path, **how: Any) -> Spool:
    return Spool(home / "spool", "i", "0", how.pop("max_bytes", 1 << 30), **how)


def put(spool: Spool, number: int, found: np.ndarray, schema: frames.Schema) -> bool:
    cells = [one.tobytes() for one in found]
    return spool.append([frame(number, cells, schema.bundle)], [schema], Tally(len(cells), len(cells)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_comes_back_in_its_dtype_with_its_shape_and_moments(tmp_path: Path, dtype: str) -> None:
    image = Column("image", "tensor", nullable=False, dtype=dtype, shape=(4, 3))
    spool, schema = opened(tmp_path), schema_of(image)
    found = pixels(image, 5)
    assert put(spool, 0, found, schema)
    assert collect(tmp_path).records == 5
    table = Records(tmp_path, "m").between(None, None)
    field = table.schema.field("in.image")
    assert pa.types.is_fixed_size_list(field.type)
    assert (field.type.list_size, field.type.value_type.to_pandas_dtype()) == (12, np.dtype(dtype))
    assert field.metadata[b"shape"] == b"[4,3]"
    assert np.array_equal(matrix(table.column("in.image")), found)
    assert np.allclose(table.column("mean.image").to_numpy(), found.astype(float).mean(axis=1))
    assert np.allclose(table.column("spread.image").to_numpy(), found.astype(float).std(axis=1))
    assert table.column("in.age").to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert table.column("key").to_pylist() == ["k0"] * 5
    # As any other tool sees it.
    (path,) = tmp_path.glob("records/**/*.parquet")
    assert pq.read_table(path).column("in.image").type == field.type
    assert reconcile(tmp_path).ok


def test_requests_of_one_tick_are_records_of_their_own(tmp_path: Path) -> None:
    spool, schema, found = opened(tmp_path), schema_of(), pixels(IMAGE, 3)
    tick = frames.Tick(AT, "m", "b1", "champion", "v2", [AT - 0.5] * 2, ["t0", "t1"], None, [1, 2],
                       [[one.tobytes(), 1.0] for one in found], None, ["a"] * 3, [[0.9, 0.1]] * 3)  # fmt: skip
    assert spool.append([frames.encode(tick)], [schema], Tally(3, 3))
    collect(tmp_path)
    table = Records(tmp_path, "m").between(None, None)
    assert table.column("request").to_pylist() == ["t0", "t1", "t1"]
    assert np.array_equal(matrix(table.column("in.image")), found)


def test_memory_of_a_reader_is_bounded_by_bytes_and_not_by_rows(tmp_path: Path) -> None:
    large = Column("image", "tensor", nullable=False, dtype="uint8", shape=(224, 224, 3))
    spool, schema = opened(tmp_path), schema_of(large)
    found = pixels(large, 60)
    for number in range(0, 60, 6):
        assert put(spool, number, found[number : number + 6], schema)
    collect(tmp_path)
    paths = list(tmp_path.glob("records/**/*.parquet"))
    groups = [pq.read_metadata(path).row_group(at).num_rows for path in paths
              for at in range(pq.read_metadata(path).num_row_groups)]  # fmt: skip
    assert sum(groups) == 60
    assert max(groups) * size(large) <= written.GROUP_BYTES
    batches = list(Records(tmp_path, "m").batches(None, None, columns=["in.image", names.OFFSET]))
    assert max(batch.num_rows for batch in batches) == max(groups)
    assert {"in.image", names.OFFSET} <= set(batches[0].schema.names)
    assert "in.age" not in batches[0].schema.names
    assert np.array_equal(np.concatenate([matrix(batch.column("in.image")) for batch in batches]), found)
    plain = Records(tmp_path, "m").between(None, None, tensors=False)
    assert plain.num_rows == 60
    assert "in.image" not in plain.schema.names
    assert plain.nbytes < 60_000


def test_a_row_larger_than_a_group_is_a_group_of_its_own(tmp_path: Path) -> None:
    huge = Column("image", "tensor", nullable=False, dtype="float64", shape=(1000, 1000))
    spool, schema = opened(tmp_path), schema_of(huge)
    found = pixels(huge, 3)
    for number, one in enumerate(found):
        assert put(spool, number, one[None], schema)
    collect(tmp_path)
    back = [matrix(batch.column("in.image")) for batch in Records(tmp_path, "m").batches(None, None)]
    assert [len(one) for one in back] == [1, 1, 1]
    assert np.array_equal(np.concatenate(back), found)


def test_a_hidden_tensor_is_a_hash_that_stays_the_same(tmp_path: Path) -> None:
    spool, schema = opened(tmp_path), schema_of(redacted=("image",))
    found = pixels(IMAGE, 2)
    cells = [redact_cell(one.tobytes(), b"key") for one in (*found, found[0])]
    spool.append([frame(0, cells)], [schema], Tally(3, 3))
    collect(tmp_path)
    table = Records(tmp_path, "m").between(None, None)
    hashes = table.column("in.image").to_pylist()
    assert hashes == cells
    assert hashes[0] == hashes[2] != hashes[1]
    assert not {"mean.image", "spread.image"} & set(table.schema.names)
    for path in tmp_path.rglob("*.parquet"):
        assert found[0].tobytes() not in path.read_bytes()


def test_a_column_hidden_meanwhile_has_no_tensor_there(tmp_path: Path) -> None:
    spool, found = opened(tmp_path), pixels(IMAGE, 4)
    put(spool, 0, found[:2], schema_of())
    # The same bundle in the same segment, from now on hidden; then shown again.
    spool.append([frame(1, ["00" * 16])], [schema_of(redacted=("image",))], Tally(1, 1))
    collect(tmp_path)
    put(spool, 2, found[2:], schema_of())
    collect(tmp_path)
    column = Records(tmp_path, "m").between(None, None).column("in.image")
    assert pa.types.is_fixed_size_list(column.type)
    assert column.is_null().to_pylist() == [False, False, True, False, False]
    assert np.array_equal(matrix(column.drop_null()), found)
    by_groups = pa.Table.from_batches([b for t in Records(tmp_path, "m").batches(None, None) for b in t.to_batches()])
    assert by_groups.column("in.image").equals(column)
    assert reconcile(tmp_path).ok


def test_numbers_hidden_meanwhile_are_text_as_before(tmp_path: Path) -> None:
    signature = Signature("regression", (BESIDE,))
    spool = opened(tmp_path)
    for number, (cell, hidden) in enumerate([(3.0, []), ("00" * 16, ["age"])]):
        one = frames.Prediction(AT + number, 0.0, f"r{number}", None, "m", "b1", "champion", "native",
                                [[cell]], None, None, None, [[1.0]])  # fmt: skip
        spool.append([frames.encode(one)], [frames.Schema("m", "b1", 1, signature, hidden, [])], Tally(1, 1))
    collect(tmp_path)
    assert Records(tmp_path, "m").between(None, None).column("in.age").to_pylist() == ["3", "00" * 16]


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (Column("image", "tensor", nullable=False, dtype="uint8", shape=(2, 2)), pa.uint8()),
        (Column("image", "tensor", nullable=False, dtype="float32", shape=(4, 3)), pa.float64()),
        (Column("image", "tensor", nullable=False, dtype="float16", shape=(5,)), pa.float64()),
    ],
)
def test_models_that_take_other_tensors_share_a_file_and_a_table(tmp_path: Path, other: Column, kind: Any) -> None:
    spool = opened(tmp_path)
    first, second = pixels(IMAGE, 2), pixels(other, 2)
    put(spool, 0, first, schema_of())
    put(spool, 1, second, schema_of(other, bundle="b2"))
    collect(tmp_path)
    table = Records(tmp_path, "m").between(None, None)
    assert table.schema.field("in.image").type.value_type == kind
    cells = table.column("in.image").to_pylist()
    assert cells == [*first.tolist(), *second.tolist()]


def test_encrypted_the_whole_way_and_nothing_of_it_in_the_clear(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("11" * 32 + "\n")
    key.chmod(0o600)
    configure(tmp_path, f"file:{key}")
    large = Column("image", "tensor", nullable=False, dtype="uint8", shape=(64, 64))
    spool, schema, found = opened(tmp_path, key=current(tmp_path)), schema_of(large), pixels(large, 4)
    assert put(spool, 0, found, schema)
    for path in tmp_path.rglob("*.spool"):
        assert found[0].tobytes()[:64] not in path.read_bytes()
    collect(tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        assert path.read_bytes()[:4] == b"PARE"
    assert np.array_equal(matrix(Records(tmp_path, "m").between(None, None).column("in.image")), found)
    (batch,) = Records(tmp_path, "m").batches(None, None)
    assert batch.num_rows == 4


def test_forgetting_erases_rows_with_their_tensors_and_the_books_add_up(tmp_path: Path) -> None:
    spool, found = opened(tmp_path), pixels(IMAGE, 6)
    for number in range(6):
        put(spool, number, found[number][None], schema_of())
    spool.close()
    collect(tmp_path)
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "instance-i.lock").touch()
    done = forget(tmp_path, ["k2"])
    assert (done.done, done.records) == (True, 1)
    table = Records(tmp_path, "m").between(None, None)
    assert np.array_equal(matrix(table.column("in.image")), np.delete(found, 2, axis=0))
    assert table.schema.field("in.image").metadata[b"shape"] == b"[4,3]"
    for path in tmp_path.rglob("*.parquet"):
        assert found[2].tobytes() not in path.read_bytes()
    assert reconcile(tmp_path).ok
    # A tensor names nobody: asked for by its column, nothing is found and nothing breaks.
    assert forget(tmp_path, ["k2"], columns=("in.image",)).records == 0
    assert expire(tmp_path, 1, AT + 10 * 86_400).records == 1


def test_labels_join_and_columns_are_read_by_name(tmp_path: Path) -> None:
    spool, found = opened(tmp_path), pixels(IMAGE, 2)
    put(spool, 0, found, schema_of())
    given = frames.Given("r0", 1, None, None, "b", None, None, "v1")
    spool.append([frames.encode(frames.Label(AT + 9, "m", None, [given]))], [], Tally(labels=1))
    collect(tmp_path)
    records = Records(tmp_path, "m")
    assert records.joined(None, None).column("label").to_pylist() == [None, "b"]
    assert "in.image" not in records.joined(None, None, tensors=False).schema.names
    assert records.columns(None, None, ["in.image", "in.age"]).schema.names == ["in.image", "in.age"]
    table, cursor = records.since(tensors=False)
    assert table.num_rows == 2
    assert "in.image" not in table.schema.names
    assert records.since(cursor)[0].num_rows == 0


def test_a_write_beyond_the_spool_is_dropped_and_counted_and_the_next_is_kept(tmp_path: Path) -> None:
    image = Column("image", "tensor", nullable=False, dtype="uint8", shape=(300, 1000))
    spool, schema = opened(tmp_path, max_bytes=1_000_000), schema_of(image)
    kept = [put(spool, number, pixels(image, 1), schema) for number in range(6)]
    assert kept == [True, True, True, False, False, False]
    assert sum(path.stat().st_size for path in segments(spool.folder)) <= 1_000_000
    assert not put(spool, 9, pixels(image, 4), schema)
    assert spool.counts.dropped == {"spool_full": 3, "too_large": 4}
    spool.close()
    again = opened(tmp_path, max_bytes=3_000_000)
    assert again.counts.dropped == {"spool_full": 3, "too_large": 4}
    assert put(again, 10, pixels(image, 1), schema)
    again.close()
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.collected, books.dropped) == (11, 4, 7)


def test_a_write_that_no_reader_takes_is_never_begun(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    piece = bytes(1 << 24)
    parts = [piece] * (LARGEST_WRITE // len(piece) + 1)
    assert not spool.append(parts, [schema_of()], Tally(17, 17))
    assert spool.counts.dropped == {"too_large": 17}
    assert put(spool, 1, pixels(IMAGE, 1), schema_of())
    assert collect(tmp_path).records == 1
    assert reconcile(tmp_path).ok


def test_a_file_of_what_was_not_captured_that_knew_fewer_reasons_is_read(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=1)
    for number in range(3):
        put(spool, number, pixels(IMAGE, 1), schema_of())
    spool.close()
    path = spool.folder / "uncaptured.bin"
    path.write_bytes(path.read_bytes()[:40])
    dropped = opened(tmp_path).counts.dropped
    assert dropped == spool.counts.dropped == {"spool_full": 2}


COLLECTING = r"""
import re, sys
from pathlib import Path
from fairlead.runtime.capture import Records, collect
import pyarrow.parquet, pyarrow.compute
def peak():
    # Of this process alone: what getrusage says begins with the peak of whoever started it.
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) >> 10
before = peak()
collect(Path(sys.argv[1]))
collected = peak() - before
rows = sum(batch.num_rows for batch in Records(Path(sys.argv[1]), "m").batches(None, None))
print(rows, collected, peak() - before)
"""


def test_the_collector_and_who_reads_by_batches_hold_a_bounded_part_of_many_images(tmp_path: Path) -> None:
    large = Column("image", "tensor", nullable=False, dtype="uint8", shape=(224, 224, 3))
    spool, schema = opened(tmp_path), schema_of(large)
    for number in range(100):
        assert put(spool, number, pixels(large, 10, number), schema)
    spool.close()
    done = subprocess.run(
        [sys.executable, "-c", COLLECTING, str(tmp_path)], capture_output=True, check=True, timeout=120
    )
    rows, collected, both = map(int, done.stdout.split())
    assert rows == 1000
    # Of 150 MB. A range of 16 MiB is there as bytes, as columns and on its way to Parquet.
    assert max(collected, both) < 320, (collected, both)


def test_moments_are_those_of_each_row() -> None:
    found = pixels(Column("x", "tensor", nullable=False, dtype="int16", shape=(700, 700)), 3)
    means, spreads = moments(found)
    assert np.allclose(means, found.mean(axis=1))
    assert np.allclose(spreads, found.astype(float).std(axis=1))
    assert moments(found[:0])[0].shape == (0,)
