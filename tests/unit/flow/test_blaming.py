"""A version that was taken away because it failed is told of, once; one that ended for other reasons is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.contract.events import Decision
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.blaming import ROLLED_BACK, TOLD_S, TRIAL_FAILED, blame, finding_of, over
from fairlead.ops.flow.closing import answered_by
from fairlead.ops.project import Project

CONFIG = """
[model]
name = "m"
task = "regression"
target = "y"
[data]
train = "t.csv"
[alerts]
to = ["file:{to}"]
"""
VERDICT = {"outcome": "fail", "mean": 0.05, "low": 0.02, "high": 0.08}


def decision(action: str, **details: Any) -> Decision:
    return Decision("d" * 24, "m", action, 50.0, "it fails", (), details)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "check", "severity"),
    [
        (decision("end_rollout", version=3, verdict=VERDICT), TRIAL_FAILED, "warning"),
        (decision("end_rollout", version=3, guardrail={"name": "errors"}), TRIAL_FAILED, "warning"),
        (decision("roll_back", version=1, **{"from": "b" * 64}), ROLLED_BACK, "critical"),
    ],
)
def test_a_failure_is_a_finding_about_the_code_that_answered(made: Decision, check: str, severity: str) -> None:
    found = finding_of(made)
    assert found is not None
    assert (found.area, found.check, found.severity, found.since) == ("code", check, severity, 50.0)
    assert found.causes[0].kind == "version"
    if made.details.get("verdict"):
        assert (found.size, found.low, found.high, found.unit) == (0.05, 0.02, 0.08, "mean loss above the champion's")


@pytest.mark.parametrize(
    "made",
    [
        decision("end_rollout", version=3, verdict={**VERDICT, "outcome": "inconclusive"}),
        decision("end_rollout", version=3),
        decision("promote", version=3, verdict=VERDICT),
        decision("hold"),
    ],
)
def test_what_ends_for_other_reasons_is_no_finding(made: Decision) -> None:
    assert finding_of(made) is None


def test_it_is_told_and_over_once_it_was(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(CONFIG.format(to=tmp_path / "told.txt"))
    clock = [1000.0]
    project = Project.find(tmp_path)
    project.home.ensure()
    ws = Workspace(project, clock=lambda: clock[0])
    blame(ws, decision("end_rollout", version=3, guardrail={"name": "errors"}))
    over(ws)
    assert [f.check for f in ws.state.findings("m")] == [TRIAL_FAILED]
    assert ws.outbox.deliver(clock[0]).sent == 1
    assert "it fails" in (tmp_path / "told.txt").read_text()
    clock[0] += TOLD_S
    over(ws)
    over(ws)
    assert ws.state.findings("m") == []


class Answered:
    """As much of a view as is asked for."""

    bundles = np.array(["a", "b", "b", "a"], dtype=object)
    labelled = np.array([True, True, True, False])


def test_what_a_predecessor_answered_is_its_own() -> None:
    assert answered_by(Answered(), "b") == pytest.approx(2 / 3)  # type: ignore[arg-type]
    assert answered_by(Answered(), "c") == 0.0  # type: ignore[arg-type]
