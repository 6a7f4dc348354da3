"""One table behind every kind of source: the same rows, batches, hash and facts."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables import open_table, write_rows

FRAME = pd.DataFrame({"n": np.arange(10.0), "t": [f"v{i % 3}" for i in range(10)]})


@pytest.fixture(params=["csv", "parquet", "feather", "arrows", "frame", "arrow table"])
def source(request, tmp_path):
    table = pa.Table.from_pandas(FRAME)
    if request.param == "csv":
        FRAME.to_csv(tmp_path / "t.csv", index=False)
        return tmp_path / "t.csv"
    if request.param == "parquet":
        parquet.write_table(table, tmp_path / "t.parquet", row_group_size=4)
        return str(tmp_path / "t.parquet")
    if request.param == "feather":
        feather.write_feather(table, tmp_path / "t.feather")
        return tmp_path / "t.feather"
    if request.param == "arrows":
        with pa.ipc.new_stream(str(tmp_path / "t.arrows"), table.schema) as out:
            out.write_table(table)
        return tmp_path / "t.arrows"
    return FRAME if request.param == "frame" else table


def test_every_source_gives_the_same_rows_again_and_again(source):
    table = open_table(source)
    assert table.columns == ("n", "t")
    assert table.rows == 10
    for _ in range(2):
        batches = list(table.batches(4))
        assert max(b.num_rows for b in batches) <= 4
        assert sum(b.num_rows for b in batches) == 10
    frame = table.frame()
    assert frame["n"].tolist() == FRAME["n"].tolist()
    assert frame["t"].tolist() == FRAME["t"].tolist()
    assert [c.kind for c in table.schema.columns] == ["number", "category"]


def test_the_hash_is_that_of_the_content(source, tmp_path):
    digest = open_table(source).hash
    assert len(digest) == 64
    assert open_table(source).hash == digest


def test_equal_frames_hash_equally_whatever_their_chunks():
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    chunked = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    assert open_table(chunked).hash == open_table(table).hash
    other = FRAME.copy()
    other.loc[3, "n"] = 99
    assert open_table(other).hash != open_table(FRAME).hash


@pytest.mark.parametrize(
    ("name", "data", "part"),
    [
        ("t.parquet", b"PAR1 no", "not a readable Parquet"),
        ("t.feather", b"no", "not a readable Arrow"),
        ("t.xlsx", b"", "unknown kind of table"),
        (None, None, "no such file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, data, part):
    file = tmp_path / (name or "missing.csv")
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(SourceUnreadable, match=part):
        open_table(file).rows  # noqa: B018
    with pytest.raises(SourceUnreadable):
        open_table(3)
    with pytest.raises(UsageError, match=r"needs \[data\] query"):
        open_table("sqlite:///t.db")


def test_a_truncated_parquet_file_is_refused(tmp_path):
    file = tmp_path / "t.parquet"
    parquet.write_table(pa.Table.from_pandas(FRAME), file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SourceUnreadable):
        open_table(file)


def test_a_frame_of_mixed_objects_is_taken_as_text():
    frame = pd.DataFrame({"m": [1, "a", True, None]}, dtype=object)
    assert open_table(frame).batches().__next__().column("m").to_pylist() == ["1", "a", "true", None]


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_rows_are_written_whole_and_read_back(tmp_path, ending):
    path = tmp_path / f"o.{ending}"
    assert write_rows(FRAME, path) == 10
    assert open_table(path).frame()["t"].tolist() == FRAME["t"].tolist()
    assert write_rows(open_table(FRAME).batches(3), path) == 10
    assert open_table(path).rows == 10


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "o.csv"
    write_rows(FRAME, path)

    def broken():
        yield from open_table(FRAME).batches(5)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_rows(broken(), path)
    assert open_table(path).rows == 10
    assert [p.name for p in tmp_path.iterdir()] == ["o.csv"]
    with pytest.raises(UsageError):
        write_rows(FRAME, tmp_path / "o.xlsx")
