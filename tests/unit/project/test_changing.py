"""A project file changed by the program: comments stay, nonsense is refused, the file of before is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.ops.project.changing import change_file, changed_text
from fairlead.ops.project.reading import parse_settings

TEXT = """# our model
[model]
name = "churn"   # for people
task = "classification"
target = "Churn"
positive = "Yes"

[retrain]
when = ["performance",
        "max_age:90d"]    # drift informs
approve = "auto"
"""


def test_what_people_wrote_stays() -> None:
    found = changed_text(TEXT, {"retrain.when": ["every:30d"], "monitor.false_alarms_per_month": 0.5})
    assert '# our model\n[model]\nname = "churn"   # for people\n' in found
    assert 'when = ["every:30d"]    # drift informs\napprove = "auto"\n' in found
    settings, _ = parse_settings(found)
    assert settings.retrain.when == ("every:30d",)
    assert settings.monitor.false_alarms_per_month == 0.5


def test_what_is_so_already_is_left_as_it_was_written() -> None:
    assert changed_text(TEXT, {"retrain.when": ["performance", "max_age:90d"], "retrain.approve": "auto"}) == TEXT


@given(
    when=st.lists(st.sampled_from(["performance", "drift", "max_age:90d", "every:14d"]), max_size=3, unique=True),
    budget=st.floats(0.01, 100.0),
    window=st.sampled_from(["auto", "all", "last:4", "weighted:30d", "since_change"]),
)
def test_any_valid_values_come_back(when: list[str], budget: float, window: str) -> None:
    changes = {"retrain.when": when, "monitor.false_alarms_per_month": budget, "retrain.window": window}
    settings, _ = parse_settings(changed_text(TEXT, changes))
    assert list(settings.retrain.when) == when
    assert settings.monitor.false_alarms_per_month == budget
    assert settings.retrain.window == window
    assert changed_text(changed_text(TEXT, changes), changes) == changed_text(TEXT, changes)


@pytest.mark.parametrize("change", [{"retrain.whem": ["x"]}, {"retrain.window": "soon"}, {"window": "all"}])
def test_what_would_be_no_project_file_is_refused_and_nothing_written(
    change: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "fairlead.toml"
    path.write_text(TEXT)
    with pytest.raises(ConfigInvalid):
        change_file(path, change, "rehearsal")
    assert path.read_text() == TEXT
    assert [p.name for p in tmp_path.iterdir()] == ["fairlead.toml"]


def test_the_file_of_before_is_kept_each_time(tmp_path: Path) -> None:
    path = tmp_path / "fairlead.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    shown = change_file(path, {"retrain.window": "last:4"}, "rehearsal", write=False)
    assert '+window = "last:4"' in shown.diff
    assert (shown.backup, path.read_text()) == (None, TEXT)
    first = change_file(path, {"retrain.window": "last:4"}, "rehearsal")
    second = change_file(path, {"retrain.window": "all"}, "rehearsal")
    assert first.backup is not None
    assert second.backup is not None
    assert first.backup.read_text() == TEXT
    assert [first.backup.name, second.backup.name] == [
        "fairlead.toml.before-rehearsal", "fairlead.toml.before-rehearsal-2",
    ]  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o640
    assert change_file(path, {"retrain.window": "all"}, "rehearsal").backup is None
