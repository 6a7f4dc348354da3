"""Within a pass of the watcher files are listed and read once; what changes is read anew, and nothing is held after."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parent))

from test_joining import NOW, SCHEMA, home_with, label, record, said

from fairlead.contract import records as names
from fairlead.runtime.capture import Records, Spool, Tally, collect, tables_kept
from fairlead.runtime.capture.remembered import once, table_of
from fairlead.runtime.wire import frames


def test_a_pass_sees_the_files_it_began_with_and_the_next_one_all(tmp_path: Path) -> None:
    records = home_with(tmp_path, record("r1", rows=2), label("a", request="r1"))
    with tables_kept():
        before = said(records.joined(None, None))
        spool = Spool(tmp_path / "spool", "i", "1", 1 << 30)
        spool.append([record("r2"), label("b", request="r1", row=1)], [SCHEMA], Tally())
        spool.close()
        collect(tmp_path)
        assert said(Records(tmp_path, "m").joined(None, None)) == before
    assert said(records.joined(None, None)) == {("r1", 0): "a", ("r1", 1): "b", ("r2", 0): None}


def test_a_file_that_is_rewritten_within_a_pass_is_read_again(tmp_path: Path) -> None:
    records = home_with(tmp_path, record("r1", rows=3))
    (path,) = (tmp_path / "records").rglob("*.parquet")
    with tables_kept():
        assert records.between(None, None).num_rows == 3
        pq.write_table(pq.read_table(path).slice(0, 1), path)
        assert records.between(None, None).num_rows == 1
        assert len(records.times(None, None)) == 1


def test_a_table_is_read_once_in_a_pass_and_let_go_after_it(tmp_path: Path) -> None:
    home_with(tmp_path, record("r1"))
    (path,) = (tmp_path / "records").rglob("*.parquet")
    asked: list[Path] = []

    def read(path: Path) -> int:
        asked.append(path)
        return len(asked)

    with tables_kept():
        assert [table_of(path, "all", read), table_of(path, "all", read)] == [1, 1]
        with tables_kept():
            assert once("found", lambda: 7) == once("found", lambda: 8) == 7
    assert table_of(path, "all", read) == 2
    assert once("found", lambda: 8) == 8


def test_times_are_those_of_the_answers_and_shadows_are_known_of(tmp_path: Path) -> None:
    shadow = frames.Shadow(
        NOW, 0.1, "r2", None, "m", "b1", "challenger", "native", [[1.0]], [["k", NOW + 5]], None, ["a"], [[0.5, 0.5]]
    )
    many = [record(f"r{i}", "k", NOW + at) for i, at in enumerate((3.0, 1.0, 2.0))]
    records = home_with(tmp_path, *many)
    told = np.sort(records.columns(NOW + 2.0, None, [names.TIME]).column(names.TIME).to_numpy())
    assert records.times(NOW + 2.0, None).tolist() == told.tolist() == [NOW + 2.0, NOW + 3.0]
    assert records.times(None, NOW + 2.0).tolist() == [NOW + 1.0]
    assert not records.with_shadows(None, None)
    beside = home_with(tmp_path / "beside", *many, frames.encode(shadow))
    assert beside.with_shadows(None, None)
    assert beside.times(None, None).tolist() == [NOW + 1.0, NOW + 2.0, NOW + 3.0]
    assert not beside.with_shadows(NOW + 100.0, None)
