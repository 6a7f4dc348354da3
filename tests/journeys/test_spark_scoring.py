"""Scoring, drift and judging on Spark, as a user runs them: the answers are those of this machine, wherever they come
from, and what refuses a row here refuses it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pyarrow import csv
from tests.conftest import Program
from tests.journeys.spark_servers import connect, spark_home, standalone

pytestmark = pytest.mark.long

SETTINGS = """\
[engine]
conf = {"spark.executor.memory" = "512m", "spark.driver.memory" = "700m"}
"""


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Program:
    """A project with a sealed model, and its table as Parquet in eight row groups."""
    spark_home()
    return _project(tmp_path_factory.mktemp("churn"), churn_csv, "Churn", 1_000)


@pytest.fixture(scope="module")
def bike(tmp_path_factory: pytest.TempPathFactory, bike_csv: Path) -> Program:
    spark_home()
    return _project(tmp_path_factory.mktemp("bike"), bike_csv, "cnt", 4_000)


def _project(folder: Path, table: Path, target: str, group: int) -> Program:
    program = Program(folder)
    program.run("init", "--data", str(table), "--target", target)
    text = (folder / "fairlead.toml").read_text()
    text = text.replace("trials = 30", "trials = 1").replace(
        "folds = 5", 'folds = 2\nlearners = ["hist_gradient_boosting"]'
    )
    (folder / "fairlead.toml").write_text(text + "\n" + SETTINGS)
    program.run("train")
    parquet.write_table(csv.read_csv(table), folder / "rows.parquet", row_group_size=group)
    program.json("score", "rows.parquet", "here.parquet")
    return program


def _shown(place: str, by: str) -> pytest.MarkDecorator:
    return pytest.mark.verified("engines", f"Spark 4, {place}", how="run", by=f"{by}: the verbs say what they say here")


PLACES = [
    pytest.param("local", marks=_shown("in this process", "local[2]")),
    pytest.param("standalone", marks=_shown("standalone", "a master with two workers")),
    pytest.param("connect", marks=_shown("Connect", "its server, over sc://")),
]


@pytest.fixture(scope="module", params=PLACES)
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Options that say which Spark."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        yield "--master", "local[2]"
    elif request.param == "standalone":
        with standalone(folder) as master:
            yield "--master", master
    else:
        pytest.importorskip("grpc", reason="the extra spark is not installed")
        with connect(folder) as address:
            yield "--connect", address


def same(program: Program, name: str) -> None:
    here, there = (parquet.read_table(program.folder / n) for n in ("here.parquet", name))
    assert there.column_names == here.column_names
    for column in here.column_names:
        assert there.column(column).to_pylist() == here.column(column).to_pylist(), column


def test_answers_are_bit_equal_wherever_they_are_given(churn: Program, bike: Program, where: tuple[str, ...]) -> None:
    for program in (churn, bike):
        told = program.json("score", "rows.parquet", "there.parquet", "--engine", "spark", *where)
        assert told["engine"] == "spark"
        assert told["rows"] == parquet.read_table(program.folder / "rows.parquet").num_rows
        same(program, "there.parquet")


def test_a_bad_cell_on_an_executor_is_the_same_error_and_nothing_is_written(
    churn: Program, where: tuple[str, ...]
) -> None:
    table = parquet.read_table(churn.folder / "rows.parquet")
    tenure = [str(n) for n in table.column("tenure").to_pylist()]
    tenure[5_432] = "two years"
    odd = table.set_column(table.schema.get_field_index("tenure"), "tenure", pa.array(tenure))
    parquet.write_table(odd, churn.folder / "odd.parquet", row_group_size=1_000)
    here = churn.run("score", "odd.parquet", "odd-here.csv", "--json", expect=2)
    there = churn.run("score", "odd.parquet", "odd.csv", "--engine", "spark", *where, "--json", expect=2)
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert "row 5432, column 'tenure'" in json.loads(there.stdout)["error"]
    assert [p.name for p in churn.folder.iterdir() if "odd.csv" in p.name] == []


def test_a_folder_of_files_is_one_table_in_the_order_of_their_names(churn: Program, where: tuple[str, ...]) -> None:
    table = parquet.read_table(churn.folder / "rows.parquet")
    (churn.folder / "parts").mkdir(exist_ok=True)
    for number, start in enumerate(range(0, table.num_rows, 1_500)):
        parquet.write_table(table.slice(start, 1_500), churn.folder / "parts" / f"part-{number}.parquet")
    churn.json("score", "parts", "parts.parquet", "--engine", "spark", *where)
    same(churn, "parts.parquet")


def test_a_drift_report_says_the_same(churn: Program, bike: Program, where: tuple[str, ...]) -> None:
    for program, cut, against in ((churn, 4_000, ()), (bike, 8_000, ("--against", "old.parquet"))):
        table = parquet.read_table(program.folder / "rows.parquet")
        parquet.write_table(table.slice(0, cut), program.folder / "old.parquet", row_group_size=1_500)
        parquet.write_table(table.slice(cut), program.folder / "new.parquet", row_group_size=700)
        here = program.json("drift", "new.parquet", *against)
        there = program.json("drift", "new.parquet", *against, "--engine", "spark", *where)
        equal(here, there, but=("seconds",))


def test_a_quality_report_says_the_same(churn: Program, where: tuple[str, ...]) -> None:
    here = churn.json("quality", "rows.parquet")
    there = churn.json("quality", "rows.parquet", "--engine", "spark", *where)
    equal(here, there, but=("seconds",))


def equal(here: Any, there: Any, but: tuple[str, ...] = (), at: str = "") -> None:
    """The same, numbers to 1e-9: their sums were added in another grouping."""
    if isinstance(here, dict):
        assert set(here) == set(there), at
        for name in set(here) - set(but):
            equal(here[name], there[name], but, f"{at}.{name}")
    elif isinstance(here, list):
        assert len(here) == len(there), at
        for place, (one, other) in enumerate(zip(here, there, strict=True)):
            equal(one, other, but, f"{at}[{place}]")
    elif isinstance(here, float):
        assert there == pytest.approx(here, rel=1e-9, abs=1e-12), at
    else:
        assert here == there, at
