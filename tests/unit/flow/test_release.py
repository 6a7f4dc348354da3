"""Releasing by hand and by rule: holds, approvals, and what a refusal leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.errors import HeldByHuman, NotAttested, UsageError
from fairlead.contract.events import Decision
from fairlead.ops.flow import Workspace, acting, release

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
[retrain]
approve = "manual"
"""


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project with two judged versions, the first deployed, a third that nobody judged."""
    folder = tmp_path_factory.mktemp("release")
    rng = np.random.default_rng(0)
    calls = rng.poisson(3, 800)
    churned = np.where(rng.random(800) < 1 / (1 + np.exp(3.0 - calls)), "yes", "no")
    pd.DataFrame({"calls": calls, "age": rng.integers(18, 80, 800), "churned": churned}).to_csv(
        folder / "rows.csv", index=False
    )
    for seed in (0, 1, 2):
        (folder / "fairlead.toml").write_text(CONFIG.format(seed=seed))
        project = fairlead.open(folder)
        project.train()
        if seed < 2:
            project.evaluate()
        project.register()
    found = fairlead.open(folder).workspace
    release.deploy(found, 1)
    return found


def champion(ws: Workspace) -> int:
    """The version that answers."""
    intent = ws.state.intent(ws.model)
    assert intent is not None
    return next(v.version for v in intent.variants if v.name == "champion")


def test_what_nobody_judged_is_not_deployed(ws: Workspace) -> None:
    with pytest.raises(NotAttested):
        release.deploy(ws, 3)
    assert champion(ws) == 1


def test_a_promotion_that_needs_a_person_asks_once_and_is_over_with_the_trial(ws: Workspace) -> None:
    release.deploy(ws, 2, mode="canary", share=0.1)
    asked = Decision("d1", ws.model, "alert", 1.0, "not worse; a person has to promote it", (), {"approve": True})
    assert acting.alert(ws.as_rule(), asked) == {"told": 1}
    waiting = [f for f in ws.state.findings(ws.model) if f.check == release.APPROVAL]
    assert len(waiting) == 1
    assert sum("promote" in m.body for m in ws.outbox.messages()) == 1
    release.promote(ws)
    assert champion(ws) == 2
    assert not [f for f in ws.state.findings(ws.model) if f.check == release.APPROVAL]


def test_a_rollback_by_hand_holds_the_model_until_a_person_releases_it(ws: Workspace) -> None:
    before = champion(ws)
    release.roll_back(ws)
    assert champion(ws) != before
    rule = ws.as_rule()
    with pytest.raises(HeldByHuman):
        release.deploy(rule, before)
    release.hold(ws, "", why="looked into it")
    release.deploy(rule, before)
    assert champion(ws) == before


def test_refused_routes_leave_intent_and_aliases_as_they_were(ws: Workspace, tmp_path: Path) -> None:
    before, aliases = champion(ws), ws.state.aliases(ws.model)
    with pytest.raises(UsageError):
        release.promote(ws)
    assert champion(ws) == before
    assert ws.state.aliases(ws.model) == aliases
    assert ws.audit.verify().ok
