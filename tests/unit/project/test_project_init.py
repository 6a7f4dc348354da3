"""init: looks at a table and writes a file that says why."""

import stat
from pathlib import Path

import pytest

from fairlead.contract.errors import UsageError
from fairlead.ops.project import Project, init_project

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of ../shared/data are not here")

SMALL = "id,x,y\n" + "".join(f"k{i},{i % 7}.5,{'yes' if i % 3 else 'no'}\n" for i in range(60))


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    return file


@needs_data
def test_churn_gets_a_project_that_reads_back(tmp_path):
    made = init_project(tmp_path / "p", DATA / "telco-churn.csv", "Churn")
    assert (made.task, made.rows, len(made.columns)) == ("classification", 7043, 21)
    assert any("'DSL' and 'dsl'" in w for w in made.warnings)
    project = Project.find(tmp_path / "p", {})
    model = project.settings.model
    assert (model.name, model.id, model.positive, model.time, model.exclude) == (
        "churn",
        "customerID",
        "Churned",
        None,
        (),
    )
    assert project.settings.monitor.window == "500rows"
    assert project.settings.capture.redact == ("customerID",)


@needs_data
def test_bike_leaks_are_excluded_with_the_reason_beside_them(tmp_path):
    init_project(tmp_path, DATA / "bike-sharing-hour.csv", "cnt", name="bike")
    text = (tmp_path / "fairlead.toml").read_text()
    assert "# casual is excluded: the target is their sum: casual + registered." in text
    model = Project.find(tmp_path, {}).settings.model
    assert model.time == ("dteday", "hr")
    assert model.id == "instant"
    assert model.exclude == ("casual", "registered")
    assert model.categories == ("season", "weekday", "weathersit")


def test_the_home_and_a_sealing_key_are_made(tmp_path, small):
    init_project(tmp_path / "p", small, "y")
    key = Project.find(tmp_path / "p", {}).home.seal_key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_an_existing_project_is_kept_unless_forced_and_then_its_key_is(tmp_path, small):
    init_project(tmp_path, small, "y")
    key = (tmp_path / ".fairlead" / "keys" / "seal.key").read_bytes()
    with pytest.raises(UsageError, match="already"):
        init_project(tmp_path, small, "y", name="other")
    init_project(tmp_path, small, "y", name="other", force=True)
    assert Project.find(tmp_path, {}).settings.model.name == "other"
    assert (tmp_path / ".fairlead" / "keys" / "seal.key").read_bytes() == key


def test_a_relative_table_is_found_from_the_project(tmp_path, small, monkeypatch):
    monkeypatch.chdir(tmp_path)
    init_project("sub", "small.csv", "y")
    project = Project.find(tmp_path / "sub", {})
    assert project.settings.data.train == "../small.csv"
    assert project.train_path.resolve() == small.resolve()


@pytest.mark.parametrize(
    ("chosen", "part"),
    [
        ({"positive": "maybe"}, "Its classes: no, yes"),
        ({"task": "regression"}, "column 'y' holds no numbers"),
        ({"task": "sorting"}, "known: classification, regression, clustering, anomaly, forecasting"),
        ({"task": "forecasting"}, "a forecast goes by time"),
        ({"id": "nope"}, "no column 'nope'. It has"),
        ({"id": "Y"}, "no column 'Y'. Did you mean 'y'? It has"),
        ({"name": "a b"}, "model.name"),
    ],
)
def test_choices_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, small, chosen, part):
    with pytest.raises(UsageError) as caught:
        init_project(tmp_path / "p", small, "y", **chosen)
    assert part in str(caught.value)
    assert not (tmp_path / "p").exists()


def test_choices_that_fit_are_taken(tmp_path, small):
    made = init_project(tmp_path, small, "y", positive="no", name="mine")
    model = Project.find(tmp_path, {}).settings.model
    assert (model.positive, model.name, made.task) == ("no", "mine", "classification")


def test_odd_column_names_make_a_file_that_still_reads(tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text('"a ""b"" # c";"x=[1]";y\n' + "".join(f"{i};{i % 2};{i * 1.5}\n" for i in range(80)))
    init_project(tmp_path, file, "y")
    settings = Project.find(tmp_path, {}).settings
    assert settings.data.separator == ";"
    assert settings.model.id == 'a "b" # c'
