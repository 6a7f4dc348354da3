"""Decisions taken back by a person, and spans of the calendar in which nothing is changed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.errors import Frozen, UsageError
from fairlead.contract.events import Decision, Window
from fairlead.ops.flow import Workspace, acting, release
from fairlead.ops.flow.spending import Entry, enter, spent
from fairlead.ops.flow.tracker import Waiting, read_tracker, write_tracker

CONFIG = """
[model]
name = "churned"
task = "classification"
target = "churned"
positive = "yes"
[data]
train = "rows.csv"
[train]
learners = ["logistic"]
trials = 1
folds = 2
seed = {seed}
[gate]
beats = false
[rollout]
freeze = [{freeze}]
"""
ALWAYS = '"00:00 - 12:00", "12:00 - 24:00"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two judged versions, the first deployed."""
    folder = tmp_path_factory.mktemp("undo")
    rng = np.random.default_rng(0)
    calls = rng.poisson(3, 400)
    churned = np.where(rng.random(400) < 1 / (1 + np.exp(3.0 - calls)), "yes", "no")
    pd.DataFrame({"calls": calls, "age": rng.integers(18, 80, 400), "churned": churned}).to_csv(
        folder / "rows.csv", index=False
    )
    said: list[str] = []
    for seed in (0, 1):
        (folder / "fairlead.toml").write_text(CONFIG.format(seed=seed, freeze=""))
        project = fairlead.open(folder)
        project.train()
        project.evaluate(progress=lambda text, **more: said.append(text))
        project.register()
    assert said[::3] == ["asking the sealed bundle about 80 rows"] * 2
    release.deploy(fairlead.open(folder).workspace, 1)
    return folder


def opened(folder: Path) -> Workspace:
    """As the rule sees it, with the settings of now."""
    return fairlead.open(folder).workspace.as_rule()


def versions(folder: Path) -> dict[str, int]:
    """Which version every variant is."""
    intent = fairlead.open(folder).workspace.state.intent("churned")
    assert intent is not None
    return {v.name: v.version for v in intent.variants}


def decided(ws: Workspace, action: str, **details: object) -> str:
    """A decision planned and carried out."""
    id = f"{action}-{len(ws.state.decisions(ws.model, last=99))}"
    decision = Decision(id, ws.model, action, 5.0, f"for the sake of {action}", (), details)  # type: ignore[arg-type]
    assert ws.state.plan(decision)
    acting.carry_out(ws, decision)
    return id


def test_a_trial_that_was_begun_ended_or_promoted_is_taken_back(folder: Path) -> None:
    project, ws = fairlead.open(folder), opened(folder)
    with pytest.raises(UsageError, match=r"nothing was decided yet by a rule.*fairlead rollback"):
        project.undo()
    decided(ws, "canary", version=2, share=0.1)
    assert versions(folder) == {"champion": 1, "challenger": 2}
    assert "version 2 is on trial no longer" in project.undo()["how"]
    assert versions(folder) == {"champion": 1}

    decided(ws, "canary", version=2, share=0.1)
    ended = decided(ws, "end_rollout", version=2)
    assert "tried again" in project.undo(ended)["how"]
    assert versions(folder) == {"champion": 1, "challenger": 2}
    with pytest.raises(UsageError, match="something else has followed"):
        project.undo(ended)

    promoted = decided(ws, "promote", version=2)
    assert versions(folder) == {"champion": 2}
    assert "version 1 answers again; held" in project.undo(promoted[:9])["how"]
    assert versions(folder) == {"champion": 1}
    assert project.status()["models"][0]["hold"] == "rolled_back"
    project.release()
    told = project.decisions()["decisions"]
    assert {d["undo"] for d in told if d["action"] == "promote"} == {f"fairlead undo {promoted[:8]}"}
    assert [e.action for e in ws.audit.events(last=3)][-1] == "release"
    assert any(e.action == "undo" for e in ws.audit.events(last=10))


def test_a_rollback_is_taken_back_and_then_stays(folder: Path) -> None:
    project, ws = fairlead.open(folder), opened(folder)
    release.deploy(ws, 2)
    bundle = ws.state.version(ws.model, 2).bundle
    decided(ws, "roll_back", version=1, **{"from": bundle})
    assert versions(folder) == {"champion": 1}
    assert "version 2 answers again, pinned" in project.undo()["how"]
    assert (versions(folder), project.status()["models"][0]["hold"]) == ({"champion": 2}, "pinned")
    project.release()
    release.deploy(ws, 1)


def test_a_rollback_that_is_taken_back_in_a_frozen_model_leaves_it_frozen(folder: Path) -> None:
    project, ws = fairlead.open(folder), opened(folder)
    release.deploy(ws, 2)
    id = decided(ws, "roll_back", version=1, **{"from": ws.state.version(ws.model, 2).bundle})
    project.freeze("nobody is here")
    assert "version 2 answers again, frozen" in project.undo(id)["how"]
    assert (versions(folder), project.status()["models"][0]["hold"]) == ({"champion": 2}, "frozen")
    project.release()
    release.deploy(ws, 1)


def test_a_challenger_that_waits_is_not_tried_after_all(folder: Path) -> None:
    project, ws = fairlead.open(folder), opened(folder)
    tracker = read_tracker(ws)
    tracker.candidate = Waiting("b" * 64, 2, 7.0, 7.0, "it rained")
    write_tracker(ws, tracker)
    id = "retrain-by-hand"
    assert ws.state.plan(Decision(id, ws.model, "retrain", 7.0, "it rained"))
    ws.state.start(id, 7.0)
    ws.state.finish(id, "done", {"version": 2})
    assert "version 2 will not be tried" in project.undo(id)["how"]
    assert read_tracker(ws).candidate is None
    with pytest.raises(UsageError, match="no decision"):
        project.undo("nobody")


def test_in_a_freeze_a_person_says_why_it_cannot_wait(folder: Path) -> None:
    release.deploy(opened(folder), 2, mode="canary", share=0.1)
    (folder / "fairlead.toml").write_text(CONFIG.format(seed=1, freeze=ALWAYS))
    try:
        project = fairlead.open(folder)
        with pytest.raises(Frozen, match=r"nothing is changed until .*--despite-freeze"):
            project.promote()
        assert versions(folder) == {"champion": 1, "challenger": 2}
        project.promote(despite_freeze="the old one leaks")
        assert versions(folder) == {"champion": 2}
        told = [e for e in project.workspace.audit.events(last=5) if e.action == "despite freeze"]
        assert told[0].why == "the old one leaks"
        project.rollback()
        assert versions(folder) == {"champion": 1}
        project.release()
    finally:
        (folder / "fairlead.toml").write_text(CONFIG.format(seed=1, freeze=""))


def test_what_retrainings_took_is_added_up_over_thirty_days(folder: Path) -> None:
    ws = opened(folder)
    day = 86_400.0
    for at in (0.0, 20 * day, 40 * day):
        enter(ws, Entry(at, 100.0 + at / day, 3.0))
    assert spent(ws, 45 * day) == msgspec.structs.replace(spent(ws, 45 * day), retrains=2, cpu_s=260.0)
    assert spent(ws, 45 * day).newest_cpu_s == 140.0


def test_status_says_what_comes_next_and_when(folder: Path) -> None:
    project = fairlead.open(folder)
    (model,) = project.status()["models"]
    assert [one["what"] for one in model["awaited"]] == ["window", "retraining"]
    assert model["waits_for"] == "the first full window of records (500rows)"
    project.pin("we look at it first")
    (folder / "fairlead.toml").write_text(CONFIG.format(seed=1, freeze=ALWAYS))
    try:
        held = fairlead.open(folder).status()["models"][0]["awaited"]
        assert [one["what"] for one in held] == ["person", "freeze", "window"]
        assert held[1]["at"] > 1.7e9
    finally:
        (folder / "fairlead.toml").write_text(CONFIG.format(seed=1, freeze=""))
        project.release()


def test_a_window_that_fills_more_slowly_than_of_late_is_given_no_time_that_is_over(folder: Path) -> None:
    project = fairlead.open(folder)
    ws, day = project.workspace, 86_400.0
    now = ws.clock()
    for index in range(2):
        start = now - (3 - index) * day
        ws.state.put_window(Window(ws.model, index, start, start + day, 500, state="scored"))
    tracker = read_tracker(ws)
    bundle = ws.state.version(ws.model, 1).bundle
    try:
        for begun, said in ((now - 0.5 * day, "at the pace of late"), (now - 1.5 * day, "more slowly than of late")):
            write_tracker(ws, msgspec.structs.replace(tracker, start=begun, index=2, champion=bundle))
            (window,) = [one for one in project.status()["models"][0]["awaited"] if one["what"] == "window"]
            assert said in window["why"]
            assert ("at" in window) == ("pace" in said)
    finally:
        write_tracker(ws, tracker)


def test_status_tells_of_a_trial_also_where_the_champion_cannot_be_loaded(folder: Path) -> None:
    ws, day = fairlead.open(folder).workspace, 86_400.0
    release.deploy(ws, 2, mode="canary", share=0.1)
    ws.state.put_window(Window(ws.model, 2, ws.clock() - day, ws.clock(), 500, state="closed"))
    tracker, bundle = read_tracker(ws), ws.state.version(ws.model, 1).bundle
    write_tracker(ws, msgspec.structs.replace(tracker, start=ws.clock(), index=3, champion=bundle))
    manifest = ws.store.path(bundle) / "manifest.json"
    manifest.rename(manifest.with_suffix(".away"))
    try:
        (model,) = fairlead.open(folder).status()["models"]
        told = {one["what"]: one["why"] for one in model["awaited"]}
        assert "a verdict takes about" in told["verdict"]
        assert "labels of window 2" in told["labels"]
    finally:
        manifest.with_suffix(".away").rename(manifest)
        write_tracker(ws, tracker)
        ws.state.put_window(Window(ws.model, 2, ws.clock() - day, ws.clock(), 500, state="scored"))
        release.end_rollout(ws, why="over")
