"""What every variant of the port `engine` must do, ours and third parties' alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pyarrow import csv

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import CellInvalid, SourceUnreadable
from fairlead.contract.plugins import names
from fairlead.lab.tables.engines import Engine, Fold, Work, engine_of

ROWS = 9_000
SPARK = [pytest.mark.long, pytest.mark.verified("engines", "Spark 4, local", how="run", by="local[2]: maps and folds")]


@pytest.fixture(scope="module", params=[pytest.param(n, marks=SPARK if n == "spark" else []) for n in names("engine")])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "spark":
        pytest.importorskip("pyspark", reason="the extra spark is not installed")
    found = engine_of(EngineSettings(name=request.param, master="local[2]"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    found = pa.table({
        "number": pa.array(np.arange(ROWS), pa.int64()),
        "a `name`.with dots": np.arange(ROWS) * 0.5,
        "word": [None if i % 50 == 0 else f"k{i % 7}" for i in range(ROWS)],
        "at": pa.array(np.arange(ROWS) * 1_000_000, pa.timestamp("us", "UTC")),
    })  # fmt: skip
    parquet.write_table(found, path, row_group_size=1_000)
    return path


def doubling() -> Any:
    """A function of its own, as executors do not import tests."""

    def make(_: Any) -> Any:
        def step(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
            assert batch.column("number")[0].as_py() == first
            twice = pa.array(batch.column("a `name`.with dots").to_numpy() * 2)
            return pa.RecordBatch.from_arrays([batch.column("number"), twice], names=["number", "No. 2"])

        return step

    return make


ANSWERS = pa.schema([("number", pa.int64()), ("No. 2", pa.float64())])
WANTED = ("number", "a `name`.with dots")


def test_columns_rows_and_every_so_many_are_those_of_the_table(engine: Engine, table: Path) -> None:
    assert engine.columns(table) == ("number", "a `name`.with dots", "word", "at")
    assert engine.rows(table) == ROWS
    assert engine.every(table, 2_000).column("number").to_pylist() == [0, 2_000, 4_000, 6_000, 8_000]


@pytest.mark.parametrize("kind", ["path", "arrow", "csv"])
def test_answers_come_in_the_order_of_the_rows_wherever_they_come_from(
    engine: Engine, table: Path, kind: str, tmp_path: Path
) -> None:
    source: Any = table if kind == "path" else parquet.read_table(table)
    if kind == "csv":
        csv.write_csv(source.select(list(WANTED)), tmp_path / "rows.csv")
        source = tmp_path / "rows.csv"

        def make(_: Any) -> Any:
            return lambda batch, first: pa.RecordBatch.from_arrays([batch.column("number")], names=["number"])

        work = Work("texts", make, pa.schema([("number", pa.string())]), ("number",))
        found = pa.concat_tables([t.cast(work.schema) for t in engine.map_batches(source, work)])
        assert [int(n) for n in found.column("number").to_pylist()] == list(range(ROWS))
        return
    found = pa.concat_tables(list(engine.map_batches(source, Work("doubled", doubling(), ANSWERS, WANTED))))
    assert found.schema.names == ANSWERS.names
    assert found.column("number").to_pylist() == list(range(ROWS))
    assert found.column("No. 2").to_pylist() == list(range(ROWS))


def test_the_first_row_that_is_refused_comes_back_as_it_was_raised(engine: Engine, table: Path) -> None:
    def make(_: Any) -> Any:
        def step(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
            odd = np.flatnonzero(np.isin(batch.column("number").to_numpy(), [8_500, 2_345]))
            if len(odd):
                raise CellInvalid(first + int(odd[0]), "number", "text", "a number")
            return batch.select(["number"])

        return step

    with pytest.raises(CellInvalid) as caught:
        list(engine.map_batches(table, Work("refused", make, pa.schema([("number", pa.int64())]), ("number",))))
    assert (caught.value.row, caught.value.column, caught.value.found) == (2_345, "number", "text")


def test_a_fold_is_the_sum_of_its_parts(engine: Engine, table: Path) -> None:
    folding: Fold[int, int] = Fold(
        lambda _: 0, lambda total, batch, first: total + int(batch.column("number").to_numpy().sum()),
        lambda total: str(total).encode(), int, sum, lambda total: str(total).encode(), ("number",),
    )  # fmt: skip
    assert engine.fold(table, folding) == ROWS * (ROWS - 1) // 2


def test_what_is_shipped_is_there(engine: Engine, table: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "word.txt").write_text("hello")

    def make(place: Any) -> Any:
        word = (place("words") / "deep" / "word.txt").read_text()
        return lambda batch, first: pa.RecordBatch.from_arrays([pa.array([word] * batch.num_rows)], names=["word"])

    work = Work(f"shipped {tmp_path}", make, pa.schema([("word", pa.string())]), ("number",), {"words": tmp_path})
    found = pa.concat_tables(list(engine.map_batches(table, work)))
    assert found.num_rows == ROWS
    assert set(found.column("word").to_pylist()) == {"hello"}


def test_what_answers_is_made_once_in_each_process_however_many_tables_it_answers(
    engine: Engine, table: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"

    def make(_: Any) -> Any:
        import os

        # A line is written whole or not at all, whoever else writes.
        with made.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return lambda batch, first: batch.select(["number"])

    work = Work(f"made {tmp_path}", make, pa.schema([("number", pa.int64())]), ("number",))
    for _ in range(3):
        assert sum(found.num_rows for found in engine.map_batches(table, work)) == ROWS
    processes = made.read_text().split()
    assert len(processes) == len(set(processes)) <= 2


def test_a_folder_of_files_is_one_table(engine: Engine, table: Path, tmp_path: Path) -> None:
    whole = parquet.read_table(table)
    for kind in ("parquet", "csv"):
        folder = tmp_path / kind
        folder.mkdir()
        for part, start in enumerate((0, 4_000, 5_000)):
            rows = whole.slice(start, (4_000, 1_000, 4_000)[part]).select(list(WANTED))
            if kind == "parquet":
                parquet.write_table(rows, folder / f"{part}.parquet")
            else:
                csv.write_csv(rows, folder / f"{part}.csv")
        assert engine.rows(folder) == ROWS
        assert [int(n) for n in engine.every(folder, 3_000).column("number").to_pylist()] == [0, 3_000, 6_000]


@pytest.mark.parametrize("name", ["a b", "\u00e4%20", "n[1]", "q{a,b}", "st*r?", "back\\slash", "h#sh"])
def test_a_place_may_have_any_name(engine: Engine, tmp_path: Path, name: str) -> None:
    folder, file = tmp_path / name, tmp_path / f"{name}.parquet"
    folder.mkdir()
    for part in range(2):
        parquet.write_table(pa.table({"number": [part, part + 10]}), folder / f"{part} {name}.parquet")
    parquet.write_table(pa.table({"number": [7, 8]}), file)
    assert engine.every(folder, 1).column("number").to_pylist() == [0, 10, 1, 11]
    assert engine.every(file, 1).column("number").to_pylist() == [7, 8]
    # A folder may be called as a file is, and its rows have numbers of their own all the same.
    folder = folder.rename(tmp_path / f"{name} of files.parquet")
    assert engine.every(folder, 3).column("number").to_pylist() == [0, 11]


def test_files_follow_each_other_by_their_names_as_they_are(engine: Engine, tmp_path: Path) -> None:
    for number, name in enumerate(["a b", "a!b", "a%2", "a-b", "\u00e4"]):
        parquet.write_table(pa.table({"number": [number]}), tmp_path / f"{name}.parquet")
    assert engine.every(tmp_path, 1).column("number").to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("odd", [{"a": [3]}, {"a": [3], "b": [4], "c": [5]}], ids=["less", "more"])
def test_files_with_other_columns_than_the_first_are_refused_by_name(
    engine: Engine, tmp_path: Path, odd: dict[str, list[int]]
) -> None:
    for number, rows in enumerate(({"a": [1], "b": [2]}, odd)):
        parquet.write_table(pa.table(rows), tmp_path / f"{number}.parquet")
    with pytest.raises(SourceUnreadable, match=r"1\.parquet has other columns than 0\.parquet: [bc]"):
        engine.every(tmp_path, 1)


def test_a_frame_of_spark_is_a_table_too(engine: Engine) -> None:
    if engine.name != "spark":
        pytest.skip("frames are of Spark")
    frame = engine.spark.range(0, ROWS, 1, 3).withColumnRenamed("id", "number")  # type: ignore[attr-defined]
    assert engine.rows(frame) == ROWS
    assert engine.every(frame, 3_000).column("number").to_pylist() == [0, 3_000, 6_000]


def test_rows_of_a_frame_that_spark_divides_anew_keep_their_numbers(engine: Engine) -> None:
    if engine.name != "spark":
        pytest.skip("frames are of Spark")
    frame = engine.spark.range(0, ROWS, 1, 3).withColumnRenamed("id", "number").repartitionByRange(3, "number")  # type: ignore[attr-defined]
    assert engine.every(frame, 1).column("number").to_pylist() == list(range(ROWS))
    assert engine.every(frame, 3_000).column("number").to_pylist() == [0, 3_000, 6_000]


def test_what_began_before_outlives_an_engine_of_another_thread(engine: Engine, table: Path) -> None:
    assert engine.rows(table) == ROWS
    found: list[int] = []

    def beside() -> None:
        other = engine_of(EngineSettings(name=engine.name, master="local[2]"))
        found.append(other.rows(table))
        other.close()

    thread = Thread(target=beside)
    thread.start()
    thread.join()
    assert found == [ROWS]
    assert engine.rows(table) == ROWS


def test_what_is_no_table_is_said(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceUnreadable):
        engine.rows(tmp_path / "torn.parquet")
    with pytest.raises(SourceUnreadable):
        engine.rows(tmp_path / "none.csv")
