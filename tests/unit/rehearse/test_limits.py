"""What holds retrainings back, and what asks for them beside findings, holds in a rehearsal as it does live."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.settings import ModelSettings, MonitorSettings, RetrainSettings, Settings, TrainSettings
from fairlead.ops.rehearse import agrawal, rehearse
from fairlead.ops.rehearse.limits import Ledger
from fairlead.ops.rehearse.models import Meter
from fairlead.ops.rehearse.replay import Lived, Policy, Replay
from fairlead.ops.rehearse.stage import Stage, one_thread

WEEKS, CHANGE, ROWS, LEARNT = 24, 17, 60, 12
DAY = 86_400.0


def project(retrain: RetrainSettings, train: TrainSettings | None = None) -> Settings:
    """The credit project; a window is a week."""
    return Settings(
        model=ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at"),
        monitor=MonitorSettings(window="7d", label_delay="0s"), retrain=retrain, train=train or TrainSettings(),
    )  # fmt: skip


def table() -> Any:
    """A rule that a linear model can follow, then its opposite."""
    frame = agrawal(WEEKS * ROWS, functions=(9,), seed=1, rows_per_week=ROWS)
    flipped = np.arange(len(frame)) >= CHANGE * ROWS
    frame["approved"] = np.where(flipped, 1 - frame["approved"], frame["approved"])
    return frame


@pytest.fixture(scope="module")
def stage() -> Stage:
    """One history for every set of limits; its models are fitted once."""
    with one_thread():
        return Stage.of(table(), project(RetrainSettings()), learner="logistic", learnt=LEARNT)


def lived(stage: Stage, **limits: Any) -> Lived:
    """The project's policy under these settings of [retrain], released at once."""
    retrain = RetrainSettings(**{"cool_down": "0windows", **limits})
    stage.history.settings = msgspec.structs.replace(stage.history.settings, retrain=retrain)
    policy = Policy("project", retrain.when, gated=False, picked=False)
    with one_thread():
        return Replay(stage.history, stage.models, stage.watcher, policy).run(Meter())


def most_in_a_month(stage: Stage, found: Lived) -> int:
    """Retrainings within any 30 days."""
    at = np.asarray([stage.history.slots[w].end for w in found.retrains])
    return max(int(((at > t - 30 * DAY) & (at <= t)).sum()) for t in at)


def test_no_more_retrainings_a_month_than_are_allowed(stage: Stage) -> None:
    free = lived(stage, when=("every:7d",))
    assert most_in_a_month(stage, free) >= 4
    held = lived(stage, when=("every:7d",), max_per_month=2)
    assert most_in_a_month(stage, held) == 2
    assert any(t.what == "held" and "retrain.max_per_month" in t.why for t in held.told)


def test_hours_of_processor_are_kept_as_counts_of_fits(stage: Stage) -> None:
    hour = stage.models.fit_s / 3600.0
    held = lived(stage, when=("every:7d",), cpu_hours_per_month=3.5 * hour)
    assert most_in_a_month(stage, held) == 3
    assert any(t.what == "held" and "cpu_hours_per_month" in t.why for t in held.told)


def test_labels_are_counted_since_the_model_learned(stage: Stage) -> None:
    found = lived(stage, when=(f"labels:{5 * ROWS}",))
    assert found.retrains
    assert set(np.diff(found.retrains)) == {5}
    assert found.retrains[0] == LEARNT + 4


def test_what_staying_costs_asks_for_a_retraining_after_the_change_alone(stage: Stage) -> None:
    found = lived(stage, when=("cost",), price=10.0, worth=1.0)
    assert found.retrains
    assert min(found.retrains) >= CHANGE
    dear = lived(stage, when=("cost",), price=1e6, worth=1.0)
    assert not dear.retrains


def test_a_calendar_to_compare_with_has_no_limits_of_its_own(stage: Stage) -> None:
    retrain = RetrainSettings(max_per_month=1)
    stage.history.settings = msgspec.structs.replace(stage.history.settings, retrain=retrain)
    forced = tuple(range(LEARNT + 1, WEEKS - 2, 3))
    with one_thread():
        policy = Policy("scheduled", (), forced, gated=False, picked=False)
        found = Replay(stage.history, stage.models, stage.watcher, policy).run(Meter())
    assert tuple(found.retrains) == forced


def test_what_was_spent_is_forgotten_after_a_month() -> None:
    ledger = Ledger(2.0)
    ledger.enter(0.0, 3)
    ledger.enter(20 * DAY, 1)
    assert ledger.spent(20 * DAY) == ledger.spent(29 * DAY)
    both, last = ledger.spent(29 * DAY), ledger.spent(31 * DAY)
    assert (both.retrains, both.cpu_s, both.newest_cpu_s) == (2, 8.0, 2.0)
    assert (last.retrains, last.cpu_s, last.newest_cpu_s) == (1, 2.0, 2.0)


def test_tuning_searches_once_and_every_fit_takes_what_it_found(tmp_path: Any) -> None:
    frame = agrawal(20 * ROWS, functions=(2,), seed=1, rows_per_week=ROWS)
    train = TrainSettings(learners=("logistic", "decision_tree"), trials=6, seconds=60.0)
    asked = project(RetrainSettings(), train)
    told: list[str] = []

    def say(message: str, **_more: Any) -> None:
        told.append(message)

    def played() -> Any:
        return rehearse(
            frame, asked, policies=("never", "project"), learnt=LEARNT, shuffled=False, tune=True, folder=tmp_path,
            progress=say,
        )  # fmt: skip

    found = played()
    assert found.learner in train.learners
    assert any("choosing among logistic, decision_tree" in message for message in told)
    from fairlead.lab.train.fitting import learner_of

    assert set(found.parameters) == set(learner_of(found.learner).default(LEARNT * ROWS))
    assert found.fresh_fits > 0
    again = played()
    assert again.fresh_fits == 0
    assert again.figures() == found.figures()
