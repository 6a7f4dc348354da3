"""From every kind of source through init, train, evaluate and score, as a user goes."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from tests.conftest import Program
from tests.unit.tables import postgres_server

import fairlead
from fairlead.contract.errors import ConfigInvalid, SourceUnreadable, UsageError
from fairlead.doors.python import init


@pytest.fixture(scope="module")
def rows(churn_csv) -> pd.DataFrame:
    """Some rows of the churn table with columns of several kinds."""
    return pd.read_csv(
        churn_csv, usecols=["customerID", "gender", "tenure", "MonthlyCharges", "Contract", "Churn"]
    ).head(400)


def quick(folder: Path) -> fairlead.Project:
    """The project with a search of one small trial."""
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = 5.*", "folds = 2", re.sub(r"trials = 30.*", 'trials = 1\nlearners = ["logistic"]', toml))
    (folder / "fairlead.toml").write_text(toml)
    return fairlead.open(folder)


def test_json_lines_with_bad_lines_on_the_command_line(program: Program, rows):
    rows.to_json(program.folder / "churn.jsonl", orient="records", lines=True)
    with (program.folder / "churn.jsonl").open("a") as file:
        file.write('not a record\n{"tenure": {"months": 3}}\n')
    with pytest.raises(SourceUnreadable, match=r"line 401: not JSON.*line 402: 'tenure' holds an object"):
        init(program.folder / "churn.jsonl", "Churn", program.folder)
    made = program.json("init", "--data", "churn.jsonl", "--target", "Churn", "--set-aside")
    assert "2 lines could not be read and were set aside" in made["warnings"][-1]
    quick(program.folder)
    trained = program.json("train")
    assert trained["set_aside"] == 2
    assert trained["tables"]["train"] == {
        **trained["tables"]["train"],
        "source": "churn.jsonl",
        "set_aside": 2,
        "rows": 400,
    }
    assert "line 401" in trained["warnings"][0]
    (kept,) = (program.folder / ".fairlead" / "tables" / "set-aside").iterdir()
    assert [json.loads(line)["line"] for line in kept.read_text().splitlines()] == [401, 402]
    project = fairlead.open(program.folder)
    scored = project.score(str(program.folder / "churn.jsonl"), program.folder / "out.csv")
    assert (scored["rows"], scored["rejected"]) == (400, 2)
    judged = project.evaluate(data=str(program.folder / "churn.jsonl"))
    assert "2 lines" in judged["warnings"][0]


def test_a_database_from_init_to_score(tmp_path, rows, monkeypatch):
    with sqlite3.connect(tmp_path / "shop.db") as base:
        rows.to_sql("customers", base, index=False)
    base.close()
    monkeypatch.chdir(tmp_path)
    query = "select * from customers order by customerID"
    project = init("sqlite:///shop.db", "Churn", "model", query=query)
    assert project.workspace.settings.data.train == "sqlite:///../shop.db"
    project = quick(Path("model"))
    trained = project.train()
    assert trained["tables"]["train"]["query"] == query
    assert trained["tables"]["train"]["source"] == "sqlite:///shop.db"
    assert project.score("sqlite:///shop.db", tmp_path / "out.csv")["rows"] == 400
    assert project.reproduce()["identical"] is True


def test_an_address_from_init_to_reproduce(tmp_path, rows):
    with fsspec.open("memory://journey/churn.parquet", "wb") as file:
        rows.to_parquet(file)
    init("memory://journey/churn.parquet", "Churn", tmp_path)
    project = quick(tmp_path)
    trained = project.train()
    assert trained["tables"]["train"]["source"] == "memory://journey/churn.parquet"
    assert project.reproduce()["identical"] is True
    with fsspec.open("memory://journey/churn.parquet", "wb") as file:
        rows.iloc[1:].to_parquet(file)
    answer = fairlead.open(tmp_path).reproduce()
    assert answer["differs"] == ["data"]
    assert "400 rows then and 399 now" in answer["parts"][0]["what"][0]


def test_a_password_is_nowhere_to_be_found(tmp_path, rows, monkeypatch, capfd):
    """Not in the configuration, the home, a message or the output; only in the environment."""
    with postgres_server.running() as server:
        with server.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(
                'create table customers ("customerID" text, tenure int, "MonthlyCharges" real, "Churn" text)'
            )
            cells = rows[["customerID", "tenure", "MonthlyCharges", "Churn"]].to_numpy().tolist()
            cursor.executemany("insert into customers values (%s, %s, %s, %s)", cells)
            connection.commit()
        monkeypatch.setenv("SHOP_PASSWORD", server.password)
        address = f"postgresql://{server.user}:${{SHOP_PASSWORD}}@127.0.0.1:{server.port}/postgres"
        init(address, "Churn", tmp_path, query='select * from customers order by "customerID"')
        project = quick(tmp_path)
        trained = project.train()
        assert trained["tables"]["train"]["source"] == address
        assert project.reproduce()["identical"] is True
        shown = json.dumps([trained, project.config(), project.inspect(), project.audit()])
        literal = address.replace("${SHOP_PASSWORD}", "hidden-word")
        with pytest.raises(UsageError, match=r"no place in fairlead.toml") as refused:
            init(literal, "Churn", tmp_path / "other", query="select 1")
    captured = capfd.readouterr()
    for secret in (server.password, "p%40ss"):
        assert secret not in shown + captured.out + captured.err
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert secret.encode() not in file.read_bytes(), file.name
    assert "hidden-word" not in str(refused.value)
    toml = tmp_path / "fairlead.toml"
    toml.write_text(toml.read_text().replace("${SHOP_PASSWORD}", "hidden-word"))
    assert "hidden-word" not in json.dumps(fairlead.open(tmp_path).config())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('train = "postgresql://me@db/shop"', "data.query: is needed: postgresql is a database"),
        ('train = "churn.csv"\nquery = "select 1"', "data.query: data.train is no database"),
        ('train = "churn.csv"\nbad_lines = "skip"', "data.bad_lines: expected one of 'stop', 'set_aside'"),
    ],
)
def test_settings_that_cannot_hold_together(tmp_path, data, words):
    (tmp_path / "fairlead.toml").write_text(f'[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n[data]\n{data}\n')
    with pytest.raises(ConfigInvalid) as caught:
        _ = fairlead.open(tmp_path).workspace
    assert words in str(caught.value)
