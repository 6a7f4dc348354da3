"""A gate that means it: a model held back, waived by a named person until a day, approved, deployed, and held again."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import fairlead
from fairlead.contract.errors import NotAttested, UsageError
from fairlead.doors.cli.main import app
from fairlead.ops.flow import Workspace, approving, doctor, making, release, waiving

CONFIG = """
[model]
name = "churned"
task = "classification"
target = "churned"
positive = "yes"
sensitive = ["town"]
[data]
train = "rows.csv"
[train]
learners = ["logistic"]
trials = 1
folds = 2
[gate]
min = {{ roc_auc = {limit}, accuracy = {accuracy} }}
groups = {{ demographic_parity = 0.9 }}
approvals = {approvals}
[evaluate]
slices = ["calls > 5 and town = 'a'"]
"""


def configured(folder: Path, limit: float = 0.99, accuracy: float = 0.1, approvals: str = "0") -> None:
    (folder / "fairlead.toml").write_text(CONFIG.format(limit=limit, accuracy=accuracy, approvals=approvals))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a judged and registered version that its gate holds back."""
    folder = tmp_path_factory.mktemp("gate")
    random = np.random.default_rng(0)
    calls = random.poisson(3, 800)
    churned = np.where(random.random(800) < 1 / (1 + np.exp(3.0 - calls)), "yes", "no")
    frame = pd.DataFrame({"calls": calls, "town": random.choice(["a", "b"], 800), "churned": churned})
    frame.to_csv(folder / "rows.csv", index=False)
    configured(folder)
    project = fairlead.open(folder)
    project.train()
    assert project.evaluate()["verdict"] == "fail"
    making.register(project.workspace, making.resolve_bundle(project.workspace, None))
    return folder


@pytest.fixture
def ws(made: Path, tmp_path: Path) -> Workspace:
    """A copy of that project."""
    shutil.copytree(made, tmp_path / "copy")
    return Workspace.find(tmp_path / "copy")


def later(ws: Workspace, days: float) -> Workspace:
    now = ws.clock()
    return Workspace.find(ws.project.root, clock=lambda: now + days * 86_400)


def in_days(days: int) -> str:
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)).isoformat()


def test_a_waiver_lets_pass_just_what_it_names_until_its_day_is_over(ws: Workspace) -> None:
    bundle = making.resolve_bundle(ws, None)
    with pytest.raises(NotAttested, match=r"is fail, because of min\.roc_auc"):
        release.deploy(ws, 1)
    made = waiving.waive(ws, bundle, "min.roc_auc", by="A. Cook", reason="pilot of ten rows", until=in_days(2))
    assert made.was.verdict == "fail"
    assert waiving.standing(ws, bundle).outcome == "pass"
    release.deploy(ws, 1)
    after = later(ws, 4)
    with pytest.raises(NotAttested, match=r"the waiver of min\.roc_auc by A\. Cook ended on"):
        release.deploy(after, 1)
    assert doctor.vouched(ws, "champion", bundle).verdict == "pass"
    assert "min.roc_auc by A. Cook ended" in doctor.vouched(after, "champion", bundle).why
    told = [e for e in ws.audit.events() if e.action == "waive"]
    assert [(e.subject, e.why) for e in told] == [(bundle, "pilot of ten rows")]
    assert ws.audit.verify().ok


def test_a_waiver_covers_no_other_check_no_other_limit_and_nothing_worse(ws: Workspace) -> None:
    bundle = making.resolve_bundle(ws, None)
    waiving.waive(ws, bundle, "min.roc_auc", by="A. Cook", reason="pilot", until=in_days(9))
    configured(ws.project.root, limit=0.98)
    other = Workspace.find(ws.project.root)
    making.judge(other, bundle)
    with pytest.raises(NotAttested, match="another limit"):
        release.deploy(other, 1)
    configured(ws.project.root, accuracy=0.999)
    both = Workspace.find(ws.project.root)
    making.judge(both, bundle)
    with pytest.raises(NotAttested, match=r"because of min\.accuracy\b"):
        release.deploy(both, 1)
    assert [c.name for c in waiving.standing(both, bundle).held] == ["min.accuracy"]
    was = waiving.standing(both, bundle).held[0]
    mild = waiving.Waiver("x", "A", "r", 0.0, 9e9, type(was)("x", 0.5, 0.6, "inconclusive", ""))
    assert mild.covers(type(was)("x", 0.4, 0.6, "inconclusive", ""), 1.0)
    assert not mild.covers(type(was)("x", 0.4, 0.6, "fail", ""), 1.0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"check": "min.roc_auk"}, "no check"), ({"check": "parity"}, "does not hold"), ({"by": " "}, "needs a name"),
     ({"reason": ""}, "needs a name and a reason"), ({"until": "soon"}, "is no day"), ({"until": "2020-01-01"}, "over"),
     ({"until": "2999-01-01"}, "more than a year")],
)  # fmt: skip
def test_what_cannot_be_waived_is_refused(ws: Workspace, changed: dict[str, str], words: str) -> None:
    asked = {"check": "min.roc_auc", "by": "A. Cook", "reason": "pilot", "until": in_days(3), **changed}
    with pytest.raises(UsageError, match=words):
        waiving.waive(ws, making.resolve_bundle(ws, None), **asked)  # type: ignore[arg-type]
    assert waiving.standing(ws, making.resolve_bundle(ws, None)).outcome == "fail"


def test_a_waiver_that_somebody_edits_is_found_out(ws: Workspace) -> None:
    from fairlead.contract.errors import BundleRefused

    bundle = making.resolve_bundle(ws, None)
    waiving.waive(ws, bundle, "min.roc_auc", by="A. Cook", reason="pilot", until=in_days(3))
    folder = ws.home.attestations / bundle
    for path in folder.glob("*.json"):
        if b"A. Cook" in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(b"A. Cook", b"B. Cook"))
    with pytest.raises(BundleRefused):
        release.deploy(ws, 1)


def test_those_who_are_asked_must_approve_and_again_once_it_is_judged_anew(ws: Workspace) -> None:
    configured(ws.project.root, limit=0.6, approvals='["Ann", "Ben"]')
    asked = Workspace.find(ws.project.root)
    bundle = making.resolve_bundle(asked, None)
    making.judge(asked, bundle)
    with pytest.raises(NotAttested, match="lacks approvals: Ann, Ben"):
        release.deploy(asked, 1)
    with pytest.raises(UsageError, match="not among"):
        approving.approve(asked, bundle, by="Carl")
    approving.approve(asked, bundle, by="ann", reason="read the report")
    approving.approve(asked, bundle, by="Ann")
    with pytest.raises(NotAttested, match="lacks approvals: Ben"):
        release.deploy(asked, 1)
    approving.approve(asked, bundle, by="Ben")
    release.deploy(asked, 1)
    assert [e.details["by"] for e in asked.audit.events() if e.action == "approve"] == ["ann", "Ann", "Ben"]
    making.judge(asked, bundle)
    assert approving.missing(asked, bundle) == ("Ann", "Ben")


def test_the_report_is_renewed_with_who_signed_and_keeps_its_evidence(ws: Workspace) -> None:
    project = fairlead.open(ws.project.root)
    page = Path(project.evaluate()["report"])
    before = json.loads(page.with_suffix(".json").read_text())
    project.waive(None, "min.roc_auc", by="A. Cook", reason="pilot", until=in_days(3))
    project.approve(None, by="Ann", reason="read it")
    after = json.loads(page.with_suffix(".json").read_text())
    assert "a person answers for what did not" in page.read_text()
    assert [one["by"] for one in after["report"]["record"]["waivers"]] == ["A. Cook"]
    assert [one["by"] for one in after["report"]["record"]["approvals"]] == ["Ann"]
    assert after["verdict"] == before["verdict"]
    for told in (before, after):
        del told["report"]["record"]
    assert after == before


def test_a_number_of_approvals_counts_people_and_not_signatures(ws: Workspace) -> None:
    configured(ws.project.root, limit=0.6, approvals="2")
    asked = Workspace.find(ws.project.root)
    bundle = making.resolve_bundle(asked, None)
    making.judge(asked, bundle)
    approving.approve(asked, bundle, by="Ann")
    approving.approve(asked, bundle, by="ANN ")
    with pytest.raises(NotAttested, match="1 more"):
        release.deploy(asked, 1)
    approving.approve(asked, bundle, by="Ben")
    release.deploy(asked, 1)


def test_both_verbs_say_what_is_still_in_the_way(ws: Workspace) -> None:
    folder = str(ws.project.root)

    def run(*words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["-C", folder, *words, "--json"])
        return done.exit_code, json.loads(done.stdout) if done.exit_code == 0 else done.exception

    bundle = making.resolve_bundle(ws, None)
    code, waived = run(
        "waive", bundle[:10], "min.roc_auc", "--reason", "pilot", "--by", "A. Cook", "--until", in_days(5)
    )
    assert code == 0
    assert waived["verdict"] == "pass"
    assert waived["held_back_by"] == []
    assert waived["until"] == in_days(5)
    code, yes = run("approve", "1", "--by", "Ann")
    assert code == 0
    assert yes["missing"] == []
    assert [one["by"] for one in yes["approvals"]] == ["Ann"]
    code, why = run("waive", "1", "nothing", "--reason", "r", "--by", "A", "--until", in_days(5))
    assert code != 0
    assert "no check 'nothing'" in str(why)
