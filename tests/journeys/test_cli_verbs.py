"""Every verb: its help, its one JSON object, its exit codes. One small project goes through its whole life."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.conftest import Program, eventually
from tests.journeys.cli import Ended, fairlead, make_project, write_loans

from fairlead.doors.cli.main import app

VERBS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]

# In the order of a life; each with the keys that `--json` promises at least.
LIFE = [
    ("train", 0, "candidate bundle learner metrics leaderboard parity seconds"),
    ("evaluate", 0, "bundle verdict checks report"),
    ("register", 0, "model version bundle"),
    ("inspect", 0, "bundle signature seal contents attestations"),
    ("deploy", 0, "model variants generation confirmed"),
    ("status", 0, "models variants incidents decisions"),
    ("predict loans.csv", 0, "rows predictions"),
    ("feedback loans.csv", 0, "accepted rejected"),
    ("collect", 0, "records labels segments"),
    ("watch --once", 0, "windows findings decisions"),
    ("score loans.csv scored.parquet", 0, "rows seconds rows_per_s rejected"),
    ("pin", 0, "model champion previous generation"),
    ("freeze", 0, "model champion previous generation"),
    ("release", 0, "model champion previous generation"),
    ("bundle model.joblib --sample loans.csv --trust", 0, "bundle path parity form"),
    ("evaluate --data loans.csv", 0, "bundle verdict checks report"),
    ("register", 0, "model version bundle"),
    ("deploy --canary 20%", 0, "model variants generation confirmed"),
    ("status", 0, "models variants incidents decisions"),
    ("promote", 0, "model champion previous generation"),
    ("rollback", 0, "model champion previous generation"),
    ("audit", 0, "ok events newest"),
    ("doctor", 0, "verdict checks reconciliation"),
    ("config", 0, "file home settings"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, and a pipeline of the user's own beside it."""
    import joblib
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = make_project(tmp_path_factory.mktemp("verbs"))
    rows = pd.read_csv(folder / "loans.csv")
    front = make_column_transformer(
        (SimpleImputer(), ["income"]), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"])
    )
    own = make_pipeline(front, LogisticRegression(C=0.5)).fit(rows[["income", "kind"]], rows["repaid"])
    joblib.dump(own, folder / "model.joblib")
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[str]:
    """A real server of this project's home."""
    program = Program(project)
    process = program.start("serve")
    try:
        log = project / "serve.log"
        yield eventually(lambda: re.search(r"ready: (\S+)", log.read_text()), what="the ready line")[1]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def only_json(ended: Ended, keys: str) -> None:
    missing = set(keys.split()) - set(ended.json)
    assert not missing


def test_a_whole_life_in_json(project: Path, server: str) -> None:
    for verb, code, keys in LIFE:
        ended = fairlead(project, *verb.split(), "--json")
        assert ended.code == code, (verb, ended)
        only_json(ended, keys)
        assert "Traceback" not in ended.err, verb
    for verb in ("status", "audit", "doctor", "config", "inspect", "evaluate 1", "collect", "watch --once"):
        ended = fairlead(project, *verb.split())
        assert ended.code == 0, (verb, ended)
        assert ended.out.strip(), verb


def test_init_and_rehearse_in_json(tmp_path: Path, bike_csv: Path) -> None:
    rows = bike_csv.read_text().splitlines()
    (tmp_path / "bike.csv").write_text("\n".join(rows[:3000]) + "\n")
    made = fairlead(tmp_path, "init", "--data", "bike.csv", "--target", "cnt", "--json")
    assert made.code == 0, made
    only_json(made, "config task rows columns warnings")
    path = tmp_path / "fairlead.toml"
    path.write_text(re.sub(r"(?ms)^\[train\]\n.*?(?=^\[)", '[train]\nlearners = ["ridge"]\ntrials = 1\nfolds = 2\n\n',
                           path.read_text()))  # fmt: skip
    replayed = fairlead(tmp_path, "rehearse", "--policy", "never", "--json")
    assert replayed.code == 0, replayed
    only_json(replayed, "policies report")
    for policy in replayed.json["policies"]:
        assert {"name", "quality", "retrains", "fits", "alerts"} <= set(policy)
        assert {"value", "low", "high"} <= set(policy["quality"])


def test_init_says_how_many_cells_are_missing(tmp_path: Path) -> None:
    write_loans(tmp_path / "loans.csv")
    ended = fairlead(tmp_path, "init", "--data", "loans.csv", "--target", "repaid")
    assert ended.code == 0
    assert re.search(r"^income +feature +number +10 ", ended.out, re.M), ended.out
    made = fairlead(tmp_path, "init", "--data", "loans.csv", "--target", "repaid", "--force", "--json").json
    assert {c["name"]: c["missing"] for c in made["columns"]} == {"loan": 0, "income": 10, "kind": 0, "repaid": 0}


def test_the_list_of_verbs_says_each_in_one_whole_line(tmp_path: Path) -> None:
    listed = fairlead(tmp_path, "--help").out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert not [line for line in listed if line.endswith("...") or len(line) > 80]


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_terminal(verb: str, tmp_path: Path) -> None:
    ended = fairlead(tmp_path, verb, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: fairlead {verb} ")
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    first = (command.help or "").strip().splitlines()[0]
    assert first.endswith("."), "the first line is a sentence"
    for parameter in command.params:
        shown = max(parameter.opts, key=len)
        said = re.search(rf"^ +.*{shown}\b.*  +\w", ended.out, re.M | re.I) is not None
        assert said, f"{verb} {shown} says nothing"
        assert not parameter.secondary_opts, f"{verb} {parameter.opts}: a --no-... that nobody needs"


@pytest.mark.parametrize(
    "line", ["nosuch", "train --nosuch", "deploy one", "init", "watch --every soon", "score only-one", "serve --port x"]
)
def test_usage_errors_exit_2(line: str, tmp_path: Path) -> None:
    ended = fairlead(tmp_path, *line.split())
    assert ended.code == 2
    assert not ended.out
    assert "Error: " in ended.err


@pytest.mark.parametrize(
    "verb",
    [
        v
        for v in VERBS
        if v
        not in {
            "ack",
            "approve",
            "assign",
            "backup",
            "bundle",
            "capacity",
            "comment",
            "contract",
            "demo",
            "diff",
            "drift",
            "expected",
            "explain",
            "export",
            "feedback",
            "forget",
            "incident",
            "init",
            "predict",
            "restore",
            "score",
            "snooze",
            "stream",
            "waive",
        }
    ],
)
def test_no_project_exits_2(verb: str, tmp_path: Path) -> None:
    ended = fairlead(tmp_path, verb)
    assert ended.code == 2
    assert ended.err.startswith("error: no fairlead.toml in ")
    assert "fairlead init" in ended.err
    assert not list(tmp_path.iterdir())
