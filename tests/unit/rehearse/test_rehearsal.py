"""The rehearsal: simulated time that never looks ahead, policies told apart, honest about what is not known."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse import Rehearsal, agrawal, rehearse, write_rehearsal
from fairlead.ops.rehearse.baselines import persistence
from fairlead.ops.rehearse.history import history_of
from fairlead.ops.rehearse.injecting import first_of
from fairlead.ops.rehearse.models import Meter, Models
from fairlead.ops.rehearse.replay import Alarm, Policy, Replay, always
from fairlead.ops.rehearse.stage import Stage, even, one_thread, performance_policy

WEEKS, CHANGE, ROWS = 36, 20, 120


def project(delay: str = "0s", time: str | None = "at") -> Settings:
    """The credit project; a window is a week."""
    return Settings(
        model=ModelSettings(name="credit", task="classification", target="approved", positive="1", time=time),
        monitor=MonitorSettings(window="7d", label_delay=delay),
    )


def table() -> Any:
    """Rules that a linear model can follow before the change and after it: 9, then the opposite."""
    frame = agrawal(WEEKS * ROWS, functions=(9,), seed=1, rows_per_week=ROWS)
    flipped = np.arange(len(frame)) >= CHANGE * ROWS
    frame["approved"] = np.where(flipped, 1 - frame["approved"], frame["approved"])
    return frame


@pytest.fixture(scope="module")
def found() -> Rehearsal:
    """One rehearsal of all policies."""
    frame = table()
    changed = frame["at"].iloc[CHANGE * ROWS].timestamp()
    policies = ("never", "always", "recent", "scheduled", "performance", "project")
    return rehearse(frame, project(), policies=policies, learner="logistic", truth=[changed], learnt=12, shuffled=1)


def test_the_change_is_found_and_mended(found: Rehearsal) -> None:
    trigger = found.policy("performance")
    assert trigger.delay is not None
    assert trigger.delay <= 3
    assert trigger.quality.value < found.policy("never").quality.value - 0.2
    assert np.mean(trigger.series[-6:]) < np.mean(found.policy("recent").series[-6:]) + 0.02
    assert trigger.retrains < found.policy("always").retrains / 3
    assert trigger.fits > trigger.retrains
    # As many by the calendar, so that what is compared is when.
    assert found.policy("scheduled").retrains == trigger.retrains


def test_policies_are_told_with_differences_before_ratios(found: Rehearsal) -> None:
    assert [p.name for p in found.policies][:2] == ["never", "always"]
    assert {"persistence", "constant", "random"} <= {p.name for p in found.policies}
    assert found.policy("never").judged == "reference"
    # One change within three blocks of windows: nothing is sure of so many policies at once.
    gain = found.policy("performance").gain
    assert gain is not None
    assert gain.value > 0.2
    assert found.policy("performance").judged == "inconclusive"
    assert abs(found.policy("scheduled").retrains - found.policy("performance").retrains) <= 1
    for policy in found.policies:
        assert policy.quality.low <= policy.quality.value <= policy.quality.high
    assert "roc_auc" in found.policy("never").metrics


def test_people_are_told_of_incidents_which_are_no_more_than_alarms(found: Rehearsal) -> None:
    trigger = found.policy("performance")
    assert 0 < trigger.incidents <= sum(trigger.by.values())
    assert sum(t.what == "incident" for t in trigger.told) == trigger.incidents
    assert 0 < trigger.incidents_per_month <= trigger.alerts_per_month
    assert found.policy("always").incidents == 0


def test_before_the_change_all_policies_answer_alike(found: Rehearsal) -> None:
    calm = CHANGE - 12
    assert found.policy("performance").series[:calm] == found.policy("never").series[:calm]


def test_the_report_opens_offline(found: Rehearsal, tmp_path: Any) -> None:
    page = write_rehearsal(found, tmp_path)
    text = page.read_text()
    assert text.count("<svg") == 3
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "<script" not in text
    assert json.loads((tmp_path / "report.json").read_text())["windows"] == WEEKS
    answer = found.answer()
    assert {"name", "quality", "retrains", "fits", "alerts"} <= set(answer["policies"][0])
    assert json.loads(json.dumps(answer)) == json.loads(json.dumps(answer))


@pytest.mark.parametrize("delay_days", [0, 7, 10, 21])
def test_no_model_learns_from_labels_that_have_not_come(delay_days: int) -> None:
    with one_thread():
        stage = Stage.of(table(), project(f"{delay_days}d"), learner="logistic", learnt=12)
        replay = Replay(stage.history, stage.models, stage.watcher, performance_policy(stage.history))
        lived = replay.run(Meter())
    slots = stage.history.slots
    for window, (key, _) in lived.answered.items():
        if key != (0, 11):
            assert slots[key[1]].end + delay_days * 86_400.0 <= slots[window].start + 1.0
    assert lived.retrains
    assert min(lived.alarms) >= CHANGE


def test_always_learns_from_labelled_windows_alone() -> None:
    with one_thread():
        stage = Stage.of(table(), project("14d"), learner="logistic", learnt=12)
        lived = always(stage.history, stage.models, Meter())
    slots = stage.history.slots
    late = [w for w, (key, _) in lived.answered.items() if key[1] > 11]
    assert late
    assert all(slots[lived.answered[w][0][1]].end + 14 * 86_400.0 <= slots[w].start + 1.0 for w in late)


def test_broken_challengers_do_not_answer_while_the_champion_is_healthy() -> None:
    frame = agrawal(30 * ROWS, functions=(9,), seed=2, rows_per_week=ROWS)
    with one_thread():
        stage = Stage.of(frame, project(), learner="logistic", learnt=12)
        policy = Policy("breaking", (), forced=tuple(range(13, 29, 3)), breaks=1.0)
        lived = Replay(stage.history, stage.models, stage.watcher, policy).run(Meter())
    assert len(lived.broken) >= 4
    assert sum(f.endswith(":blocked") for f in lived.broken.values()) >= 0.8 * len(lived.broken)
    assert not any(broken for _, broken in lived.answered.values())


def test_a_model_is_fitted_once_whoever_asks_and_each_pays_for_what_it_used() -> None:
    with one_thread():
        history = history_of(table(), project(), 12)
        models = Models(history, "logistic")
        first, second = Meter(), Meter()
        with models.charged_to(first):
            models.answers((0, 11), 12)
        with models.charged_to(second):
            models.answers((0, 11), 12)
    assert first.fits == second.fits
    assert first.scores == second.scores


def test_persistence_knows_only_what_has_come() -> None:
    import pandas as pd

    hours = pd.date_range("2024-01-01", periods=24 * 7 * 10, freq="h")
    frame = pd.DataFrame({"at": hours, "x": 1.0, "y": np.tile(np.arange(24.0), 70)})
    model = ModelSettings(name="m", task="regression", target="y", time="at")
    at_once = history_of(frame, Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="0s")), 4)
    sums = persistence(at_once)
    assert sums["same hour yesterday"][:, 0].sum() == 0
    assert sums["last value"][:, 0].sum() > 0
    late = history_of(frame, Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="5h")), 4)
    assert persistence(late)["last value"][:, 0].sum() > sums["last value"][:, 0].sum()


def test_a_calendar_is_evenly_spread() -> None:
    history = history_of(table(), project(), 12)
    at = even(history, 3)
    assert len(at) == 3
    assert min(np.diff(at)) >= 5
    assert even(history, 0) == ()


def test_too_few_windows_judge_nothing() -> None:
    frame = agrawal(20 * 60, functions=(2, 5), seed=1, rows_per_week=60)
    short = rehearse(frame, project(), policies=("never", "performance"), learner="logistic", shuffled=False, learnt=12)
    assert short.policy("performance").judged == "inconclusive"
    assert any("too few" in sentence for sentence in short.summary)


def test_what_cannot_be_rehearsed_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"model\.time"):
        rehearse(table(), project(time=None))
    with pytest.raises(UsageError, match="unknown policies: sometimes"):
        rehearse(table(), project(), policies=("sometimes",))
    with pytest.raises(UsageError, match="windows"):
        rehearse(table().iloc[: 3 * ROWS], project())


def test_of_alarms_told_at_one_moment_the_one_that_names_the_fault_counts_as_first() -> None:
    loss = Alarm(3, "labels", "performance", "promise", "the loss is higher")
    doubted = Alarm(3, "labels", "labels", "poisoned_arrival", "labels disagree")
    assert first_of([loss, doubted], lambda alarm: float(alarm.window)) == doubted
    later = msgspec.structs.replace(doubted, window=4)
    assert first_of([loss, later], lambda alarm: float(alarm.window)) == loss
