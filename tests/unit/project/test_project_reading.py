"""fairlead.toml and the environment: what is accepted, where values come from, how mistakes are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, NotAProject, UsageError
from fairlead.contract.settings import DOC
from fairlead.ops.project import (
    Project,
    Trigger,
    WindowSize,
    load_settings,
    parse_duration,
    parse_settings,
    parse_trigger,
    parse_window,
)
from fairlead.ops.project.reading import sections

MODEL = '[model]\nname = "churn"\ntask = "classification"\ntarget = "Churn"\n'


def failure(text, **environ):
    with pytest.raises(ConfigInvalid) as caught:
        parse_settings(text, "fairlead.toml", environ)
    return str(caught.value)


def test_values_come_with_their_origin():
    text = MODEL + "[serve]\nport = 9000\nworkers = 2\n"
    settings, origins = parse_settings(text, "fairlead.toml", {"FAIRLEAD_SERVE__PORT": "9100", "FAIRLEAD_HOME": "/x"})
    assert (settings.serve.port, settings.serve.workers, settings.serve.host) == (9100, 2, "127.0.0.1")
    assert origins["serve.port"] == "FAIRLEAD_SERVE__PORT"
    assert origins["serve.workers"] == "fairlead.toml:7"
    assert origins["serve.host"] == "default"
    assert set(origins) == {f"{s}.{k}" for s, keys in sections().items() for k in keys} == set(DOC)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("FAIRLEAD_MODEL__POSITIVE", "1", "1"),
        ("FAIRLEAD_MODEL__POSITIVE", "Churned", "Churned"),
        ("FAIRLEAD_MODEL__EXCLUDE", "a, b", ("a", "b")),
        ("FAIRLEAD_MODEL__EXCLUDE", '["a"]', ("a",)),
        ("FAIRLEAD_MODEL__TIME", "at", "at"),
        ("FAIRLEAD_MODEL__TIME", '["day", "hr"]', ("day", "hr")),
        ("FAIRLEAD_GATE__MIN", "{roc_auc = 0.7}", {"roc_auc": 0.7}),
        ("FAIRLEAD_GATE__MIN", "false", False),
        ("FAIRLEAD_GATE__PARITY", "false", False),
        ("FAIRLEAD_TRAIN__SECONDS", "5", 5.0),
    ],
)
def test_a_variable_is_read_as_its_setting_asks(variable, text, value):
    settings, _ = parse_settings(MODEL, environ={variable: text})
    section, _, key = variable.removeprefix("FAIRLEAD_").lower().partition("__")
    assert getattr(getattr(settings, section), key) == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (MODEL + "postive = 'x'\n", ["fairlead.toml:5: model.postive", "unknown key", "model.positive"]),
        (MODEL + "[servr]\nport = 1\n", ["fairlead.toml:5: servr", "unknown table", "[serve]"]),
        (MODEL + "port = 8080\n", ["fairlead.toml:5: model.port", "belongs in [serve]"]),
        ("port = 8080\n" + MODEL, ["fairlead.toml:1: port", "[serve] port"]),
        (MODEL + "[serve]\n\nport = 'x'\n", ["fairlead.toml:7: serve.port", "expected a whole number, found text"]),
        (MODEL + "[serve]\nport = 70000\n", ["fairlead.toml:6: serve.port", "<= 65535"]),
        (MODEL + "[serve]\nworkers = 1.5\n", ["serve.workers", "expected a whole number, found a number"]),
        (MODEL + "exclude = [1]\n", ["fairlead.toml:5: model.exclude", "expected text, found a whole number"]),
        (MODEL + "[retrain]\napprove = 'x'\n", ["retrain.approve", "'auto'", "'manual'"]),
        (MODEL.replace("classification", "clasification"), ["fairlead.toml:3: model.task", "'classification'"]),
        (MODEL.replace("churn", "a b"), ["fairlead.toml:2: model.name", "characters"]),
        ('[model]\nname = "x"\n', ["fairlead.toml:1: model.task", "is needed"]),
        ("", ["model.name", "is needed"]),
        (MODEL + "x = \n", ["fairlead.toml:5", "not TOML"]),
        ("model = 3\n", ["fairlead.toml:1: model", "[model] on a line"]),
    ],
)
def test_mistakes_name_file_line_key_and_the_nearest_valid_key(text, parts):
    message = failure(text)
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (MODEL.replace("classification", "regression") + "positive = 'x'\n", "fairlead.toml:5: model.positive"),
        (MODEL.replace("classification", "forecasting"), "model.time: a forecast goes by time"),
        (MODEL.replace('target = "Churn"', ""), "learns from a target"),
        (MODEL + "time = []\n", "model.time: names no column"),
        (MODEL + "time = ['a', 'b', 'c']\n", "a date and an hour column"),
        (MODEL + "time = 'Churn'\n", "is the target"),
        (MODEL + "id = 'Churn'\n", "model.id: 'Churn' is the target"),
        (MODEL + "id = 'k'\nfeatures = ['k']\n", "never a feature"),
        (MODEL + "time = 'at'\nfeatures = ['at']\n", "never a feature"),
        (MODEL + "features = ['a']\nexclude = ['a']\n", "fairlead.toml:6: model.exclude"),
        (MODEL + "features = ['Churn']\n", "lists the target"),
        (MODEL + "exclude = ['a', 'a']\n", "lists 'a' twice"),
        (MODEL + "timezone = 'Mars/Base'\n", "unknown zone"),
        (MODEL + "[data]\nencoding = 'utf-9'\n", "unknown encoding"),
        (MODEL + "[data]\nseparator = ','\ndecimal = ','\n", "is the separator, too"),
        (MODEL + "[data]\nprepare = 'features'\n", "file.py:function"),
        (MODEL + "[train]\nlearners = ['logistc']\n", "Did you mean 'logistic'?"),
        (MODEL + "[train]\nentrypoint = 't.py:fit'\nlearners = ['logistic']\n", "beside train.entrypoint"),
        (MODEL + "[gate]\nmin = {roc_acu = 0.7}\n", "Did you mean 'roc_auc'?"),
        (MODEL + "[gate]\nmin = {rmse = 3}\n", "no metric of a classification"),
        (MODEL + "[gate]\nbeats = ['champion']\n", "unknown opponent"),
        (MODEL + "[gate]\nmax_group_gap = 0.1\n", "Name columns in model.sensitive"),
        (MODEL + "[monitor]\nwindow = '7 moons'\n", "7d, 24h or 500rows"),
        (MODEL + "[monitor]\nwindow = '0d'\n", "empty window"),
        (MODEL + f"[monitor]\nwindow = '{'9' * 20}d'\n", "a hundred years"),
        (MODEL + f"[monitor]\nwindow = '{'9' * 400}rows'\n", "no window ever holds"),
        (MODEL + "[rollout]\nmax_days = 9999999999\n", "ten years"),
        (MODEL + "[monitor]\nlabel_delay = '5rows'\n", "monitor.label_delay"),
        (MODEL + "[alerts]\nremind = 'often'\n", "alerts.remind"),
        (MODEL + "[retrain]\nwhen = ['performanse']\n", "Did you mean 'performance'?"),
        (MODEL + "[retrain]\nwhen = ['max_age']\n", "Did you mean 'max_age:90d'?"),
        (MODEL + "[retrain]\nwhen = ['max_age:soon']\n", "no span of time"),
        (MODEL + "[rollout]\nsticky_by = 'Churn'\n", "no request carries"),
        (MODEL + "time = 'at'\n[rollout]\nsticky_by = 'at'\n", "new in each request"),
    ],
)
def test_impossible_combinations_are_refused(text, part):
    assert part in failure(text)


def test_a_mistake_in_the_environment_names_the_variable():
    message = failure(MODEL, FAIRLEAD_SERVE__PROT="1")
    assert "environment variable FAIRLEAD_SERVE__PROT" in message
    assert "serve.port" in message
    assert "FAIRLEAD_SERVE__PORT" in failure(MODEL, FAIRLEAD_SERVE__PORT="many")
    assert "FAIRLEAD_MODEL__TIMEZONE" in failure(MODEL, FAIRLEAD_MODEL__TIMEZONE="Mars")


def test_messages_never_show_addresses_that_may_hold_secrets():
    message = failure(MODEL + "[alerts]\nto = 'slack://s3cr3t'\n")
    assert "alerts.to" in message
    assert "s3cr3t" not in message
    assert "s3cr3t" not in failure(MODEL + "[alerts]\nto = ['a', 5]\n[registry]\nmlflow = ['http://s3cr3t']\n")


def test_lines_are_found_for_dotted_keys_and_quoted_tables():
    _, origins = parse_settings(
        'model.name = "x"\nmodel.task = "regression"\nmodel.target = "y"\n["serve"]\n"port" = 1\n'
    )
    assert origins["model.target"] == "fairlead.toml:3"
    assert origins["serve.port"] == "fairlead.toml:5"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_config_error(text):
    try:
        parse_settings(MODEL + text)
    except ConfigInvalid as error:
        assert str(error).startswith("fairlead.toml")  # noqa: PT017


def test_a_project_is_found_from_a_folder_below_it_and_its_home_can_be_moved(tmp_path):
    (tmp_path / "fairlead.toml").write_text(MODEL + "[data]\ntrain = 'data/x.csv'\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    project = Project.find(below, {})
    assert project.root == tmp_path
    assert project.home.root == tmp_path / ".fairlead"
    assert project.train_path == tmp_path / "data" / "x.csv"
    assert Project.find(tmp_path / "fairlead.toml", {}).settings == project.settings
    moved = Project.find(below, {"FAIRLEAD_HOME": str(tmp_path / "elsewhere")})
    assert moved.home.state_db == tmp_path / "elsewhere" / "state.db"


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path):
    with pytest.raises(NotAProject, match="fairlead init"):
        Project.find(tmp_path, {})


def test_the_home_is_made_private_and_kept_out_of_git(tmp_path):
    (tmp_path / "fairlead.toml").write_text(MODEL)
    home = Project.find(tmp_path, {}).home
    home.keys.mkdir(parents=True, mode=0o755)
    home.ensure().ensure()
    assert home.keys.stat().st_mode & 0o777 == 0o700
    assert (home.root / ".gitignore").read_text() == "*\n"
    assert home.run.is_dir()


def test_a_file_that_is_not_text_is_a_config_error(tmp_path):
    file = tmp_path / "fairlead.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid, match="UTF-8"):
        load_settings(file, {})


def test_spans_windows_and_triggers():
    assert [parse_duration(t) for t in ("90s", "15m", "24h", "7d", "2w", "0.5h")] == [
        90,
        900,
        86400,
        604800,
        1209600,
        1800,
    ]
    assert parse_window("500rows") == WindowSize(rows=500)
    assert parse_window("7d") == WindowSize(seconds=604800)
    assert parse_trigger("every:30d") == Trigger("every", 2592000)
    assert parse_trigger("drift") == Trigger("drift")
    for bad in ("7", "d", "-1d", "7D", "7 days", ""):
        with pytest.raises(UsageError):
            parse_duration(bad)
