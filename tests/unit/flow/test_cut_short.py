"""Written in several steps and cut short between them, or by two hands at once: nothing is lost or done twice."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import msgspec
import pytest

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

from bundle_samples import LINEAGE, files, write_files

import fairlead
from fairlead.contract.errors import HeldByHuman, UsageError
from fairlead.contract.events import Decision, Finding, Window
from fairlead.contract.evidence import Attestation
from fairlead.contract.routes import Variant
from fairlead.ops.flow import Loop, Workspace, acting, making, release, rolling
from fairlead.ops.flow.reporting import write_incidents, write_window
from fairlead.ops.flow.tracker import Waiting, read_tracker, turn, write_tracker
from fairlead.runtime.bundle import attest, seal, verify
from fairlead.runtime.serve import read as read_routes

CONFIG = """
[model]
name = "churn"
task = "classification"
target = "churned"
positive = "yes"
id = "id"
[data]
train = "rows.csv"
[monitor]
contract = "contract.yaml"
[retrain]
when = []
"""
CONTRACT = """
version: {version}
columns:
  age: {{missing: 0.5}}
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Three judged versions, the first deployed; nothing is trained."""
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    (tmp_path / "rows.csv").write_text("id,age,plan,code,churned\n")
    (tmp_path / "contract.yaml").write_text(CONTRACT.format(version="1"))
    found = fairlead.open(tmp_path).workspace
    for seed in range(3):
        folder = write_files(tmp_path / f"sealed-{seed}", files())
        seal(folder, "churn", msgspec.structs.replace(LINEAGE, seed=seed), "linear", "1", found.key)
        bundle = verify(folder, (found.key.public,)).id
        found.store.add(folder)
        passed = {"model": "churn", "outcome": "pass", "checks": []}
        attest(found.home.attestations, Attestation(bundle, "verdict", found.clock(), "test", passed), found.key)
        making.register(found, bundle)
    release.deploy(found, 1)
    return found


def answering(ws: Workspace) -> dict[str, int]:
    """What the data plane was told."""
    (route,) = read_routes(ws.home.routes).routes
    return {v.name: v.version for v in route.variants}


def planned(ws: Workspace, action: str, **details: object) -> Decision:
    made = Decision(f"{action}-1", ws.model, action, 5.0, f"for the sake of {action}", (), details)  # type: ignore[arg-type]
    assert ws.state.plan(made)
    return made


def test_what_was_intended_when_the_watcher_was_killed_is_published_by_the_next(ws: Workspace) -> None:
    release.deploy(ws, 2, mode="canary", share=0.1)
    intent, _, challenger = release.split(ws)
    assert challenger is not None
    only = msgspec.structs.replace(
        intent, variants=(Variant("champion", challenger.bundle, challenger.version),), rollout=None, previous=1
    )
    # Here it was killed: the promotion is recorded, and nobody was told.
    with ws.state.transaction():
        release.remember(ws, only)
    assert answering(ws) == {"champion": 1, "challenger": 2}
    Loop(ws).once()
    assert answering(ws) == {"champion": 2}
    generation = read_routes(ws.home.routes).generation
    Loop(ws).once()
    assert read_routes(ws.home.routes).generation == generation


def test_a_trial_whose_first_stage_was_not_noted_has_one_after_the_next_pass(ws: Workspace) -> None:
    release.deploy(ws, 2, mode="canary", share=0.1)
    intent, _, _ = release.split(ws)
    assert intent.rollout is not None
    unnoted = msgspec.structs.replace(intent.rollout, details={**intent.rollout.details, "stages": []})
    ws.state.set_intent(msgspec.structs.replace(intent, rollout=unnoted))
    Loop(ws).once()
    after, _, _ = release.split(ws)
    assert after.rollout is not None
    assert [stage.weights for stage in rolling.stages_of(after.rollout)] == [{"1": 0.9, "2": 0.1}]


def test_a_person_who_freezes_while_routes_are_confirmed_is_not_overruled(ws: Workspace) -> None:
    release.deploy(ws, 2, mode="canary", share=0.1)
    before, _, _ = release.split(ws)
    release.hold(ws, "frozen", why="wait for me")
    rolling.note_stage(ws, before)
    assert release.split(ws)[0].hold == "frozen"
    with pytest.raises((HeldByHuman, UsageError)):
        release.apply(ws.as_rule(), before, "weigh", "decided before the freeze", {}, upon=before)
    assert release.split(ws)[0].hold == "frozen"


def test_what_was_decided_upon_something_else_is_not_applied(ws: Workspace) -> None:
    before, _, _ = release.split(ws)
    release.deploy(ws, 3)
    with pytest.raises(UsageError, match="meanwhile"):
        release.apply(ws, before, "deploy", "decided before", {}, upon=before)
    assert answering(ws) == {"champion": 3}


def test_a_decision_that_another_hand_finished_is_not_carried_out_again(ws: Workspace) -> None:
    release.deploy(ws, 2, mode="canary", share=0.1)
    rule = ws.as_rule()
    ended = planned(rule, "end_rollout", version=2)
    acting.carry_out(rule, ended)
    acting.carry_out(rule, ended)
    told = [e for e in ws.audit.events(last=20) if e.action == "decided: end_rollout"]
    assert len(told) == 1
    assert ws.state.decisions(ws.model)[-1].attempts == 1


def test_a_new_contract_does_not_bring_back_what_was_promoted_in_the_same_pass(ws: Workspace) -> None:
    Loop(ws).once()
    release.deploy(ws, 2, mode="canary", share=0.1)
    rule = ws.as_rule()
    planned(rule, "promote", version=2)
    (ws.project.root / "contract.yaml").write_text(CONTRACT.format(version="2"))
    Loop(ws).once()
    assert answering(ws) == {"champion": 2}


def test_a_retraining_is_taken_back_after_the_pass_that_is_going_on(ws: Workspace) -> None:
    rule = ws.as_rule()
    made = planned(rule, "retrain")
    rule.state.start(made.id, 5.0)
    rule.state.finish(made.id, "done", {"version": 2})
    tracker = read_tracker(rule)
    tracker.candidate = Waiting(ws.state.version(ws.model, 2).bundle, 2, made.at, 5.0, "why")
    write_tracker(rule, tracker)
    with turn(rule):
        # The pass holds what it read, and writes it once more.
        hand = threading.Thread(target=lambda: fairlead.open(ws.project.root).undo())
        hand.start()
        hand.join(0.3)
        write_tracker(rule, tracker)
    hand.join(20.0)
    assert not hand.is_alive()
    assert read_tracker(rule).candidate is None


def test_a_page_that_cannot_be_made_stops_no_watcher(ws: Workspace) -> None:
    bundle = ws.state.version(ws.model, 1).bundle
    window = Window(ws.model, 0, 0.0, 10.0, rows=5, bundle=bundle, state="closed")
    ws.state.put_window(window, b"no profile")
    assert write_window(ws, window) is None
    # A time that no calendar has a day for.
    ws.outbox.notice(
        Finding("f1", ws.model, "quality", "missing", 0, 1e17, 1.0, 1.0, 1.0, "cells", "long ago", ("age",), "warning")
    )
    write_incidents(ws)
