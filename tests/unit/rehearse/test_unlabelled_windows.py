"""Windows whose labels come late or never are watched, as they are live; nothing is learnt from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse import Rehearsal, agrawal, rehearse, write_rehearsal
from fairlead.ops.rehearse.history import history_of
from fairlead.ops.rehearse.models import Meter
from fairlead.ops.rehearse.replay import Lived, Policy, Replay
from fairlead.ops.rehearse.stage import Stage, one_thread, performance_policy

WEEKS, ROWS, LEARNT = 28, 60, 12
SILENT = range(18, 22)
"""Weeks whose labels never came; of those of week 24 some did."""


def project(delay: str = "0s", window: str = "7d") -> Settings:
    """The credit project."""
    return Settings(
        model=ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at"),
        monitor=MonitorSettings(window=window, label_delay=delay),
    )


def table(silent: range = SILENT) -> Any:
    """A rule that a linear model can follow; a column that is gone in week 19, and labels that never come."""
    frame = agrawal(WEEKS * ROWS, functions=(9,), seed=1, rows_per_week=ROWS)
    week = np.arange(len(frame)) // ROWS
    frame.loc[week == 19, "salary"] = np.nan
    frame["approved"] = frame["approved"].astype(str).astype(object)
    part = (week == 24) & (np.arange(len(frame)) % 3 == 0)
    frame.loc[np.isin(week, list(silent)) | part, "approved"] = None
    return frame


def replayed(frame: Any, settings: Settings, policy: Policy | None = None) -> tuple[Stage, Lived]:
    """One policy lived through."""
    with one_thread():
        stage = Stage.of(frame, settings, learner="logistic", learnt=LEARNT)
        asked = policy or performance_policy(stage.history)
        return stage, Replay(stage.history, stage.models, stage.watcher, asked).run(Meter())


def test_windows_hold_rows_with_and_without_a_truth() -> None:
    with one_thread():
        history = history_of(table(), project(), LEARNT)
    assert [s.seen for s in history.slots] == [ROWS] * WEEKS
    assert [w for w, s in enumerate(history.slots) if not s.rows] == list(SILENT)
    assert 0 < history.slots[24].rows < ROWS
    assert history.judged == [w for w in range(LEARNT, WEEKS) if w not in SILENT]
    assert history.learnable(history.slots[20].end) == 17
    bare = history.labelled_rows()
    assert len(bare.slots) == WEEKS - len(SILENT)
    assert (bare.learnt, bare.unlabelled) == (LEARNT, None)


def test_windows_of_rows_count_rows_without_a_truth() -> None:
    with one_thread():
        history = history_of(table(), project(window="200rows"), None)
    assert {s.seen for s in history.slots[:-1]} == {200}
    assert sum(s.rows for s in history.slots) < sum(s.seen for s in history.slots)


def test_a_fault_in_a_window_that_never_gets_labels_is_found_then() -> None:
    stage, lived = replayed(table(), project(), Policy("watched", when=()))
    missing = [a for a in lived.waking if a.check == "missing" and a.columns == ("salary",)]
    assert [a.window for a in missing] == [19]
    late = [a for a in lived.waking if a.check == "labels_late"]
    assert late[0].window == SILENT[0]
    assert not {a.window for a in lived.waking if a.area == "performance"} & set(SILENT)
    assert list(lived.answered) == list(stage.history.live)


def test_labels_that_come_after_more_windows_do_not_delay_what_inputs_show() -> None:
    frame = table(range(0))
    frame.loc[np.arange(len(frame)) // ROWS == WEEKS - 1, "loan"] = np.nan
    stage, lived = replayed(frame, project("21d"), Policy("watched", when=()))
    assert 19 in lived.input_alarms
    # The labels of the last windows never come within the history; their inputs are looked at all the same.
    assert WEEKS - 1 in lived.input_alarms
    assert stage.history.labelled(stage.history.slots[-1].end) == WEEKS - 4
    assert all(a.window <= WEEKS - 4 for a in lived.waking if a.moment == "labels")


def test_nothing_is_learnt_from_windows_without_labels() -> None:
    stage, lived = replayed(table(), project(), Policy("weekly", ("every:7d",), gated=False))
    assert len(lived.retrains) >= 5
    assert not {key[1] for key, _ in lived.answered.values()} & set(SILENT)
    assert not any("nan" in told.why for told in lived.told)
    learned = {key for key, _ in lived.answered.values()}
    assert all(len(stage.history.rows(key[0], key[1])) for key in learned)


@pytest.fixture(scope="module")
def found() -> Rehearsal:
    """All of it."""
    policies = ("never", "always", "performance")
    return rehearse(table(), project(), policies=policies, learner="logistic", learnt=LEARNT, shuffled=False)


def test_policies_are_compared_by_the_windows_that_have_labels(found: Rehearsal, tmp_path: Path) -> None:
    judged = WEEKS - LEARNT - len(SILENT)
    assert found.windows == WEEKS
    assert found.unlabelled == len(SILENT) * ROWS + 20
    assert len(found.judged) == len(found.starts) == judged
    for policy in found.policies:
        assert len(policy.series) == judged
        assert np.isfinite(policy.series).all()
        assert np.isfinite([policy.quality.value, policy.quality.low, policy.quality.high]).all()
    assert 19 in found.policy("performance").alarmed
    assert found.place(SILENT[1]) == found.place(SILENT[-1] + 1) == SILENT[0] - LEARNT
    text = write_rehearsal(found, tmp_path).read_text()
    assert "rows without a truth" in text
