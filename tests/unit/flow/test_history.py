"""Records come back as the training table held its rows, whatever kinds its columns have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.lab.tables import event_times
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.history import History, history, like, outside, time_cells
from fairlead.ops.project import Project
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "m"
task = "regression"
target = "y"
id = "id"
time = ["day", "hr"]
timezone = "Europe/Berlin"

[data]
train = "train.csv"
"""
SIGNATURE = Signature(
    task="regression",
    columns=(
        Column("hr", "integer", nullable=False),
        Column("flag", "boolean"),
        Column("season", "category", categories=("1", "2"), coded="integer"),
        Column("soil", "category", categories=("clay", "sand")),
    ),
    target="y",
    key="id",
    time=("day", "hr"),
    timezone="Europe/Berlin",
)
SUMMER = 1_341_439_200.0  # 2012-07-05 00:00 in Berlin


def project(folder: Path, config: str = CONFIG) -> Workspace:
    """A project whose table has four rows of June."""
    (folder / "fairlead.toml").write_text(config)
    (folder / "train.csv").write_text(
        "id,day,hr,flag,season,soil,y\n1,2012-06-05,0,true,1,clay,10\n2,2012-06-05,1,,2,sand,20\n"
        "3,2012-06-05,2,false,1,,30\n4,2012-06-05,3,true,2,clay,40\n"
    )
    return Workspace(Project.find(folder))


def record(ws: Workspace, rows: list[list[Any]], keys: list[str], labels: list[str], redacted: list[str]) -> None:
    """Answered and labelled rows, as the data plane writes them: the hours 1, 2, ... of a day in July."""
    schema = frames.Schema("m", "b", 1, SIGNATURE, redacted, ["id", "day"])
    passes = [[key, "2012-07-05"] for key in keys]
    now = SUMMER + 86_400.0
    answered = frames.Prediction(
        now, 0.1, "r", None, "m", "b", "champion", "native", rows, passes, None, None, [[0.0]] * len(rows)
    )
    given = [frames.Given("r", at, None, None, label, None, None, "v1") for at, label in enumerate(labels)]
    spool = Spool(ws.home.root / "spool", "i", "0", 1 << 30)
    spool.append([frames.encode(answered), frames.encode(frames.Label(now, "m", None, given))], [schema], Tally())
    spool.close()
    collect(ws.home.root)


ROWS: list[list[Any]] = [[1.0, 1.0, "1", "clay"], [2.0, None, None, "sand"]]


def past(ws: Workspace) -> History:
    """All labelled rows."""
    return history(ws, SIGNATURE)


def test_rows_come_back_in_the_kinds_of_the_table(tmp_path: Path) -> None:
    ws = project(tmp_path)
    record(ws, ROWS, ["7", "8"], ["50.0", "60.0"], [])
    found = past(ws)
    assert found.recorded == 2
    assert found.frame["hr"].tolist() == [0, 1, 2, 3, 1, 2]
    assert found.frame["hr"].dtype == found.frame["y"].dtype == np.int64
    assert found.frame["flag"].tolist() == [True, None, False, True, True, None]
    assert found.frame["day"].tolist() == ["2012-06-05"] * 4 + ["2012-07-05"] * 2
    assert found.frame["season"].tolist()[:5] == [1, 2, 1, 2, 1]
    assert found.frame["id"].tolist() == ["1", "2", "3", "4", "7", "8"]
    assert found.times[-2:].tolist() == [SUMMER + 3_600.0, SUMMER + 7_200.0]
    # What is kept for judging is stored as Parquet: one kind of cell a column.
    found.frame.to_parquet(tmp_path / "rows.parquet")


def test_a_target_with_fractions_is_not_cut_to_the_integers_of_the_table(tmp_path: Path) -> None:
    ws = project(tmp_path)
    record(ws, ROWS, ["7", "8"], ["50.5", "60.0"], [])
    assert past(ws).frame["y"].tolist()[-2:] == [50.5, 60.0]


def test_hashed_keys_beside_whole_numbers(tmp_path: Path) -> None:
    ws = project(tmp_path)
    record(ws, ROWS, ["9f3c" * 8, "0a" * 16], ["50.0", "60.0"], ["id"])
    found = past(ws)
    assert found.recorded == 2
    found.frame.to_parquet(tmp_path / "rows.parquet")


def test_rows_with_a_hidden_feature_teach_nothing(tmp_path: Path) -> None:
    ws = project(tmp_path, CONFIG + '\n[capture]\nredact = ["soil"]\n')
    record(ws, ROWS, ["7", "8"], ["50.0", "60.0"], ["soil"])
    assert past(ws).recorded == 0
    assert len(past(ws).frame) == 4


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["2012-01-01T00:00:00+02:00"], dtype=object),
        pd.Series(["2012-01-01 00:00"], dtype=object),
        pd.to_datetime(pd.Series(["2012-01-01"])),
        pd.to_datetime(pd.Series(["2012-01-01T00:00:00Z"]), utc=True),
        pd.Series([1_325_376_000.0]),
    ],
    ids=["offsets", "naive", "datetime64", "with zone", "seconds"],
)
def test_a_time_column_comes_back_as_the_same_instants(column: pd.Series) -> None:
    signature = Signature(task="regression", columns=(Column("x", "number"),), time=("at",))
    times = np.array([SUMMER, SUMMER + 0.5, 1_351_384_200.0])  # the last: in the hour that Berlin has twice, the first
    old = pd.DataFrame({"at": column})
    new = pd.DataFrame(time_cells(times, signature, old, "Europe/Berlin"))
    both = pd.concat([old, new], ignore_index=True)
    assert event_times(both, ("at",), "Europe/Berlin")[1:].tolist() == times.tolist()


def test_a_time_that_is_a_feature_keeps_its_gaps() -> None:
    old = pd.Series(["2012-01-01", None], dtype=object)
    new = like(pd.Series([0.0, np.nan]), old, "time", "UTC")
    assert new.tolist() == ["1970-01-01T00:00:00+00:00", None]


def test_integer_codes_are_numbers_again() -> None:
    cells = np.array(["3", None], dtype=object)
    assert np.array_equal(outside(cells, "integer"), [3.0, np.nan], equal_nan=True)
    assert outside(cells, "text") is cells
