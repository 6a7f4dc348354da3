"""Scoring, drift, quality and judging on Spark, as a user runs them: the answers are those of this machine, wherever
they come from, and what refuses a row here refuses it there.

One verb a place runs in a process of its own, as at a shell; the others share one, as starting Spark takes longer than
most of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pyarrow import csv
from tests.conftest import Program
from tests.journeys.spark_servers import QUICK, connect, spark_home, standalone
from tests.journeys.spark_shell import Shell, shell

pytestmark = pytest.mark.long

CONF = {
    "spark.executor.memory": "512m", "spark.driver.memory": "700m", "spark.driver.extraJavaOptions": QUICK,
    "spark.executor.extraJavaOptions": QUICK, "spark.sql.shuffle.partitions": "4", "spark.cores.max": "2",
}  # fmt: skip
SETTINGS = "[engine.conf]\n" + "".join(f'"{name}" = "{value}"\n' for name, value in CONF.items())


@dataclass(frozen=True)
class Where:
    """Which Spark: the options that say so, verbs on a session of it, and the folder where its servers write."""

    options: tuple[str, ...]
    shell: Shell
    folder: Path

    def json(self, program: Program, *words: str, expect: int = 0) -> dict[str, Any]:
        return self.shell.json(program.folder, *words, "--engine", "spark", *self.options, expect=expect)


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
    # What is told of single rows and of sub-populations is of a sample, and tested with it; here it would take minutes.
    text = text.replace("[evaluate]\n", "")
    evaluate = "[evaluate]\nexplanations = false\nfind_slices = false\n"
    (folder / "fairlead.toml").write_text(f"{text}\n{evaluate}\n{SETTINGS}")
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
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Where]:
    """A Spark of each kind."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        with shell(folder, {"name": "spark", "master": "local[2]", "conf": CONF}) as verbs:
            yield Where(("--master", "local[2]"), verbs, folder)
    elif request.param == "standalone":
        with standalone(folder) as master, shell(folder, {"name": "spark", "master": master, "conf": CONF}) as verbs:
            yield Where(("--master", master), verbs, folder)
    else:
        pytest.importorskip("grpc", reason="the extra spark is not installed")
        with connect(folder) as address, shell(folder, {"name": "spark", "connect": address}) as verbs:
            yield Where(("--connect", address), verbs, folder)


def same(program: Program, name: str) -> None:
    here, there = (parquet.read_table(program.folder / n) for n in ("here.parquet", name))
    assert there.column_names == here.column_names
    for column in here.column_names:
        assert there.column(column).to_pylist() == here.column(column).to_pylist(), column


def test_answers_are_bit_equal_wherever_they_are_given(churn: Program, bike: Program, where: Where) -> None:
    for program in (churn, bike):
        told = where.json(program, "score", "rows.parquet", "there.parquet")
        assert told["engine"] == "spark"
        assert told["rows"] == parquet.read_table(program.folder / "rows.parquet").num_rows
        same(program, "there.parquet")


def test_a_bad_cell_on_an_executor_is_the_same_error_and_nothing_is_written(churn: Program, where: Where) -> None:
    table = parquet.read_table(churn.folder / "rows.parquet")
    tenure = [str(n) for n in table.column("tenure").to_pylist()]
    tenure[5_432] = "two years"
    odd = table.set_column(table.schema.get_field_index("tenure"), "tenure", pa.array(tenure))
    parquet.write_table(odd, churn.folder / "odd.parquet", row_group_size=1_000)
    here = churn.run("score", "odd.parquet", "odd-here.csv", "--json", expect=2)
    there = where.json(churn, "score", "odd.parquet", "odd.csv", expect=2)
    assert there == json.loads(here.stdout)
    assert "row 5432, column 'tenure'" in there["error"]
    assert [p.name for p in churn.folder.iterdir() if "odd.csv" in p.name] == []


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_folder_of_files_is_one_table_in_the_order_of_their_names(churn: Program, where: Where, kind: str) -> None:
    table = parquet.read_table(churn.folder / "rows.parquet")
    parts = churn.folder / f"parts-{kind}"
    parts.mkdir(exist_ok=True)
    for number, start in enumerate(range(0, table.num_rows, 1_500)):
        write = parquet.write_table if kind == "parquet" else csv.write_csv
        write(table.slice(start, 1_500), parts / f"part-{number}.{kind}")
    where.json(churn, "score", parts.name, "parts.parquet")
    same(churn, "parts.parquet")
    equal(churn.json("quality", parts.name), where.json(churn, "quality", parts.name), but=("seconds",))


def test_a_drift_report_says_the_same(churn: Program, bike: Program, where: Where) -> None:
    for program, cut, against in ((churn, 4_000, ()), (bike, 8_000, ("--against", "old.parquet"))):
        table = parquet.read_table(program.folder / "rows.parquet")
        parquet.write_table(table.slice(0, cut), program.folder / "old.parquet", row_group_size=1_500)
        parquet.write_table(table.slice(cut), program.folder / "new.parquet", row_group_size=700)
        here = program.json("drift", "new.parquet", *against)
        equal(here, where.json(program, "drift", "new.parquet", *against), but=("seconds",))


def test_a_quality_report_says_the_same(churn: Program, where: Where) -> None:
    here = churn.json("quality", "rows.parquet")
    equal(here, where.json(churn, "quality", "rows.parquet"), but=("seconds",))


def test_a_model_is_judged_as_here_and_each_figure_says_how_far_it_may_be_off(
    churn: Program, bike: Program, where: Where
) -> None:
    for program in (churn, bike):
        here = program.json("evaluate", "--data", "rows.parquet")
        there = where.json(program, "evaluate", "--data", "rows.parquet")
        assert there["engine"] == "spark"
        assert there["rows"] == there["sampled"] == parquet.read_table(program.folder / "rows.parquet").num_rows
        assert there["verdict"] == here["verdict"]
        assert [c["name"] for c in there["checks"]] == [c["name"] for c in here["checks"]]
        assert set(there["metrics"]) == set(here["metrics"])
        for name, value in here["metrics"].items():
            off = there["off_by"].get(name, 0.0)
            assert off < 0.005, name
            assert abs(there["metrics"][name] - value) <= off + 1e-12 * max(1.0, abs(value)) * 10, name
        assert set(there["intervals"]) | set(there["by_sample"]) == set(here["metrics"])
        assert set(there["by_sample"]) <= {"lift_at_10", "gain_at_10", "median_ae"}


def test_the_bundle_goes_once_to_each_executor(churn: Program, where: Where) -> None:
    if where.options[0] != "--master" or where.options[1].startswith("local"):
        pytest.skip("of executors that are processes of their own their logs can be read")
    for name in ("one.parquet", "two.parquet"):
        where.json(churn, "score", "rows.parquet", name)
    logs = [p.read_text() for p in where.folder.glob("worker-*/app-*-0000/*/stderr")]
    assert len(logs) == 2
    for log in logs:
        fetched = re.findall(r"Executor: Fetching \S+/(fairlead-\w+\.tar)", log)
        # Of two models, and of the two that were judged nothing more, however many verbs asked them.
        assert sorted(fetched) == sorted(set(fetched))
        assert 1 <= len(fetched) <= 2


def test_at_a_shell_of_its_own_nothing_but_the_answer_is_printed(churn: Program, where: Where) -> None:
    done = churn.run("score", "rows.parquet", "alone.parquet", "--engine", "spark", *where.options)
    same(churn, "alone.parquet")
    assert re.fullmatch(r"7,043 rows in [\d.]+ s \([\d,]+ rows/s\) -> alone\.parquet\s*", done.stdout)
    assert "WARN" not in done.stderr
    assert "log4j" not in done.stderr


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
