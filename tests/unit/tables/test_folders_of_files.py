"""A folder of files is one table: the rows of its files in the order of their names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pyarrow import csv

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables import open_table

WHOLE = pa.table({"number": list(range(10)), "word": [None if i == 3 else f"w{i}" for i in range(10)]})


def parts(folder: Path, kind: str) -> Path:
    """Ten rows in three files, written in another order than that of their names."""
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").touch()
    for number, (first, last) in reversed(list(enumerate(((0, 4), (4, 5), (5, 10))))):
        rows = WHOLE.slice(first, last - first)
        if kind == "parquet":
            parquet.write_table(rows, folder / f"part-{number}.parquet")
        else:
            csv.write_csv(rows, folder / f"part-{number}.csv")
    return folder


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_its_rows_are_those_of_its_files_by_their_names(kind: str, tmp_path: Path) -> None:
    table = open_table(parts(tmp_path / "rows", kind))
    assert table.columns == ("number", "word")
    assert table.rows == 10
    found = table.frame()
    assert found["number"].tolist() == list(range(10))
    assert found["word"].isna().tolist() == [i == 3 for i in range(10)]
    assert table.set_aside.lines == 0
    again = open_table(parts(tmp_path / "again", kind))
    assert again.hash == table.hash
    (tmp_path / "again" / f"part-1.{kind}").rename(tmp_path / "again" / f"part-3.{kind}")
    assert open_table(tmp_path / "again").hash != table.hash


def test_lines_that_cannot_be_read_are_counted_over_all_files(tmp_path: Path) -> None:
    folder = parts(tmp_path / "rows", "csv")
    for number in (0, 2):
        path = folder / f"part-{number}.csv"
        path.write_text(path.read_text() + "1,2,3\n")
    table = open_table(folder, bad_lines="set_aside", home=tmp_path)
    assert table.rows == 10
    assert table.set_aside.lines == 2
    with pytest.raises(SourceUnreadable):
        list(open_table(folder).batches())


def test_files_that_are_not_one_table_are_refused_by_name(tmp_path: Path) -> None:
    folder = parts(tmp_path / "rows", "parquet")
    parquet.write_table(WHOLE.rename_columns(["number", "name"]), folder / "part-3.parquet")
    with pytest.raises(SourceUnreadable, match=r"part-3\.parquet has other columns than part-0\.parquet: name, word"):
        list(open_table(folder).batches())
    parquet.write_table(pa.table({"number": ["many"], "word": ["x"]}), folder / "part-3.parquet")
    with pytest.raises(SourceUnreadable, match=r"column number of part-3\.parquet is .*string"):
        list(open_table(folder).batches())
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(SourceUnreadable, match=r"files of several kinds \(\.parquet, \.txt\)"):
        open_table(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceUnreadable, match="a folder without files"):
        open_table(tmp_path / "empty")
