"""What a newcomer does wrong: one clear line that says what, where and what would be right; nothing half-written."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Program
from tests.journeys.cli import Ended, copy_of, fairlead, make_project, write_loans


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained, judged, registered, deployed; nothing runs."""
    folder = make_project(tmp_path_factory.mktemp("trained") / "project")
    for verb in ("train", "evaluate", "register", "deploy"):
        ended = fairlead(folder, verb)
        assert ended.code == 0, ended
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return copy_of(trained, tmp_path / "project")


def says(ended: Ended, code: int, *words: str) -> None:
    """The right code, one line on stderr after the progress, each of the words in it, no traceback."""
    assert ended.code == code, ended
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ended.err
    assert ended.err.rstrip().splitlines()[-1] == errors[0], ended.err
    assert "Traceback" not in ended.err + ended.out
    assert "unforeseen" not in errors[0]
    for word in words:
        assert word in errors[0], (word, errors[0])


def unfinished(folder: Path) -> list[Path]:
    """Temporary files and folders left behind."""
    return [p for p in folder.rglob("*") if re.match(r"\.(new|add|gone)-|.*\.\d+$|.*\.tmp$", p.name)]


# The project file and the table


@pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ("folds = 2", "fold = 2", ("fairlead.toml:14", "train.fold", "unknown key", "Did you mean train.folds?")),
        ("[train]", "[trian]", ("unknown table", "Did you mean [train]?")),
        ("folds = 2", 'folds = "two"', ("fairlead.toml:14", "train.folds", "a whole number, found text")),
        ("folds = 2", "folds = 1", ("train.folds", ">= 2")),
        ("folds = 2", "folds = = 2", ("fairlead.toml:14", "not TOML")),
        ('target = "repaid"', "", ("model.target", "Name the column to predict")),
        ('target = "repaid"', 'target = "repaidd"', ("model.target", "no column 'repaidd'", "repaid")),
        ('positive = "yes"', 'positive = "ja"', ("model.positive", "'ja' is no class", "no, yes")),
        ('id = "loan"', 'id = "laon"', ("model.id", "Did you mean 'loan'?")),
        ('train = "loans.csv"', 'train = "gone.csv"', ("gone.csv", "no such file")),
        ('train = "loans.csv"', "", ("set [data] train", "--data")),
        ('"logistic"', '"xgb"', ("train.learners", "unknown learner 'xgb'", "Did you mean 'xgboost'?")),
        ('"50rows"', '"7 bananas"', ("monitor.window", "7d, 24h or 500rows")),
        ('id = "loan"', 'time = "kind"', ("column 'kind'", "allowed: a date or a time")),
    ],
)
def test_mistakes_in_the_project_file(tmp_path: Path, find: str, put: str, words: tuple[str, ...]) -> None:
    folder = make_project(tmp_path)
    path = folder / "fairlead.toml"
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put, 1))
    says(fairlead(folder, "train"), 2, *words)
    assert not list((folder / ".fairlead" / "bundles").glob("*")) or not (folder / ".fairlead").exists()


def test_an_override_is_named_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path)
    monkeypatch.setenv("FAIRLEAD_TRAIN__FOLDS", "many")
    says(fairlead(folder, "config"), 2, "FAIRLEAD_TRAIN__FOLDS", "train.folds", "a whole number")


def rows_of(path: Path, change: Callable[[str], str], keep: int = 400) -> None:
    """The loans with every line changed."""
    write_loans(path)
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *(change(line) for line in lines[:keep])]) + "\n")


@pytest.mark.parametrize(
    ("verb", "write", "words"),
    [
        ("init", lambda p: p.unlink(), ("loans.csv", "no such file")),
        ("init", lambda p: p.write_text(""), ("loans.csv", "the file is empty")),
        ("init", lambda p: p.write_text("loan,repaid\n"), ("loans.csv", "no rows")),
        ("init", lambda p: p.write_text("loan,repaid\nL1,yes\nL2,no,maybe\n"), ("loans.csv", "line 3", "3 cells")),
        ("init", lambda p: p.write_text("loan,loan\nL1,yes\n"), ("loans.csv", "given twice: loan")),
        ("init", lambda p: p.write_bytes(bytes(range(128, 256))), ("loans.csv", "not utf-8", "encoding")),
        ("init", lambda p: p.write_text("a,b\n1,2\n"), ("no column 'repaid'", "a, b")),
        ("train", lambda p: p.write_text("loan,repaid\n"), ("loans.csv", "no rows")),
        ("train", lambda p: rows_of(p, lambda r: r.replace(",no", ",yes")), ("'repaid'", "only one class")),
        ("train", lambda p: rows_of(p, lambda r: r.rsplit(",", 1)[0] + ","), ("repaid",)),
        ("train", lambda p: rows_of(p, str, 12), ("rows", "too few", "folds")),
    ],
)
def test_mistakes_in_the_table(
    tmp_path: Path, verb: str, write: Callable[[Path], object], words: tuple[str, ...]
) -> None:
    folder = make_project(tmp_path)
    write(folder / "loans.csv")
    if verb == "init":
        (folder / "fairlead.toml").unlink()
        says(fairlead(folder, "init", "--data", "loans.csv", "--target", "repaid"), 2, *words)
        assert {p.name for p in folder.iterdir()} <= {"loans.csv"}
    else:
        says(fairlead(folder, "train"), 2, *words)
        assert not list((folder / ".fairlead" / "bundles").iterdir())


def test_a_number_that_never_changes_is_no_target(tmp_path: Path) -> None:
    rows_of(tmp_path / "loans.csv", lambda r: r.rsplit(",", 1)[0] + ",3.5")
    ended = fairlead(tmp_path, "init", "--data", "loans.csv", "--target", "repaid")
    assert ended.code == 0
    assert "look: repaid: always the same number; there is nothing to learn." in ended.out
    says(fairlead(tmp_path, "train"), 2, "model.target", "'repaid'", "always the same number")


def test_init_twice(tmp_path: Path) -> None:
    folder = make_project(tmp_path)
    before = (folder / "fairlead.toml").read_text()
    says(fairlead(folder, "init", "--data", "loans.csv", "--target", "repaid"), 2, "fairlead.toml already", "--force")
    assert (folder / "fairlead.toml").read_text() == before


# The order of things


def test_too_early(tmp_path: Path) -> None:
    folder = make_project(tmp_path)
    says(fairlead(folder, "evaluate"), 1, "nothing has been trained yet", "fairlead train")
    says(fairlead(folder, "deploy"), 1, "no version of 'loans' is registered", "fairlead register")
    says(fairlead(folder, "promote"), 2, "not deployed", "fairlead deploy")
    says(fairlead(folder, "retrain"), 2, "nothing is deployed yet")
    says(fairlead(folder, "predict", "loans.csv"), 1, "no server is running", "fairlead up")
    (folder / "loans.csv").rename(folder / "large.csv")  # no table is read to say this
    says(fairlead(folder, "rehearse"), 2, "model.time")
    (folder / "large.csv").rename(folder / "loans.csv")
    assert fairlead(folder, "train").code == 0
    assert fairlead(folder, "register").code == 0
    says(fairlead(folder, "deploy"), 3, "has not been judged", "fairlead evaluate")
    shown = fairlead(folder, "status")
    assert shown.code == 0
    assert "nothing is deployed yet" in shown.out


def test_a_gate_that_cannot_be_met(project: Path) -> None:
    path = project / "fairlead.toml"
    path.write_text(path.read_text() + "\n[gate]\nmin = {roc_auc = 0.9999}\n")
    judged = fairlead(project, "evaluate")
    assert judged.code == 3
    assert "min.roc_auc" in judged.out
    assert fairlead(project, "evaluate", "--json").json["verdict"] == "fail"
    says(fairlead(project, "deploy"), 3, "verdict", "fail")
    shutil.rmtree(project / ".fairlead")
    up = fairlead(project, "up")
    says(up, 3, "gate says fail", "roc_auc", "report.html")
    says(fairlead(project, "up"), 3, "gate says fail", "roc_auc", "report.html")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("inspect nosuch", 1, ("no bundle, version or alias 'nosuch'",)),
        ("evaluate 7", 1, ("version 7 of 'loans' is not registered", "Registered: 1")),
        ("deploy 7", 1, ("version 7",)),
        ("deploy --canary 5%", 2, ("version 1 is the champion already",)),
        ("deploy --canary 200%", 2, ("5% or 0.05",)),
        ("deploy --canary much", 2, ("'much' is no share", "5% or 0.05")),
        ("deploy --canary 5% --shadow", 2, ("choose one",)),
        ("promote", 2, ("no rollout is in progress",)),
        ("rollback", 2, ("no earlier champion",)),
        ("collect --follow --json", 2, ("without --follow",)),
        ("watch --json", 2, ("with --once",)),
        ("predict gone.csv", 2, ("gone.csv", "no such file")),
        ("score gone.csv out.csv", 2, ("gone.csv", "no such file")),
        ("score loans.csv out.xls", 2, ("out.xls", ".parquet .csv")),
        ("score loans.csv gone/out.csv", 2, ("gone/out.csv", "cannot be written")),
        ("score loans.csv fairlead.toml/out.csv", 2, ("fairlead.toml/out.csv", "cannot be written")),
        ("score other.csv out.csv", 2, ("columns missing: income, kind",)),
        ("evaluate --data other.csv", 2, ("repaid", "target")),
        ("bundle model.joblib --sample loans.csv", 2, ("model.joblib", "no such file")),
        ("bundle gone.joblib --sample loans.csv --trust", 2, ("gone.joblib", "no such file")),
        ("bundle loans.csv --sample loans.csv --trust", 2, ("loans.csv", "not a form that is known")),
        ("serve --bundle gone --port 0", 2, ("gone", "no such folder")),
    ],
)
def test_mistakes_in_what_is_asked_for(project: Path, line: str, code: int, words: tuple[str, ...]) -> None:
    (project / "other.csv").write_text("a,b\n1,2\n")
    before = {p.name for p in project.iterdir()}
    says(fairlead(project, *line.split()), code, *words)
    assert {p.name for p in project.iterdir()} == before
    assert not unfinished(project)


# Things that were tampered with, taken away or are newer than we


def tamper(project: Path) -> Path:
    """One more row of golden answers in the only bundle."""
    (bundle,) = (project / ".fairlead" / "bundles").iterdir()
    with (bundle / "golden.jsonl").open("a") as file:
        file.write("{}\n")
    return bundle


def test_a_tampered_bundle_is_refused_everywhere(project: Path) -> None:
    bundle = tamper(project)
    why = (bundle.name[:12], "golden.jsonl is not what was sealed")
    shown = fairlead(project, "inspect")
    assert shown.code == 3
    assert "golden.jsonl is not what was sealed" in shown.out
    assert fairlead(project, "inspect", "--json").json["seal"]["verified"] is False
    for verb in ("evaluate", "register", "deploy", "score loans.csv out.csv"):
        says(fairlead(project, *verb.split()), 3, *why)
    assert not (project / "out.csv").exists()
    says(fairlead(project, "serve", "--port", "0", "--bundle", str(bundle)), 3, why[1])
    checked = fairlead(project, "doctor")
    assert checked.code == 1
    assert "golden.jsonl" in checked.out
    # The cure: the same training seals the same bundle, and the broken copy gives way to it.
    assert fairlead(project, "train").code == 0
    assert fairlead(project, "inspect").code == 0
    assert fairlead(project, "deploy").code == 0


def test_a_home_of_a_newer_version(project: Path) -> None:
    with sqlite3.connect(project / ".fairlead" / "state.db") as state:
        state.execute("update alembic_version set version_num = '9999_future'")
    state.close()
    for verb in ("status", "train", "evaluate", "deploy", "up", "watch --once", "audit"):
        ended = fairlead(project, *verb.split())
        says(ended, 1, "9999_future", "newer Fairlead")
        assert "reading rows" not in ended.err, "no work is done that cannot be kept"


def test_a_state_that_is_no_database(project: Path) -> None:
    for path in (project / ".fairlead").glob("state.db*"):
        path.write_bytes(b"not a database" * 400)
    for verb in ("status", "train", "deploy"):
        says(fairlead(project, verb), 1, "state database", "not a database")


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    folder = make_project(tmp_path)
    (folder / ".fairlead").write_text("")
    for verb in ("status", "train", "up", "serve"):
        says(fairlead(folder, verb), 1, str(folder / ".fairlead"))


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_home_that_cannot_be_written(project: Path) -> None:
    for path in [project, *project.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    program = ReadOnly(project)
    try:
        for verb in ("train", "deploy", "collect", "watch --once", "up", "serve --port 0"):
            ended = program.ended(*verb.split())
            says(ended, 1)
            assert re.search(r"\.fairlead.*: Permission denied|the home is read-only", ended.err), ended.err
    finally:
        for path in [project, *project.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
    assert not unfinished(project)


class ReadOnly(Program):
    """The program without root's right to write anywhere."""

    def ended(self, *arguments: str) -> Ended:
        import subprocess

        drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
        if os.geteuid() == 0 and shutil.which("setpriv") is None:
            pytest.skip("as root this needs setpriv")
        words = [*(drop if os.geteuid() == 0 else []), sys.executable, "-m", "fairlead", *arguments]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)


def test_a_key_others_may_read_is_the_doctors_business(project: Path) -> None:
    (project / ".fairlead" / "keys" / "seal.key").chmod(0o644)
    says(fairlead(project, "deploy"), 2, "seal.key", "0600")
    checked = fairlead(project, "doctor")
    assert checked.code == 1
    assert "chmod 600 seal.key" in checked.out


def test_a_port_that_is_taken(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        says(fairlead(project, "serve", "--port", port), 2, f"127.0.0.1:{port} is in use", "--port")
