"""A rehearsal goes on where it was stopped, in one process or many, to the same figures to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import eventually

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse import Rehearsal, agrawal, rehearse, write_rehearsal
from fairlead.ops.rehearse.results import rehearsal_schema
from fairlead.ops.rehearse.shelf import Shelf

WEEKS, CHANGE, ROWS = 25, 17, 60

PROGRAM = """
import json, sys
from pathlib import Path
from tests.unit.rehearse.test_resuming import played
print(json.dumps(played(Path(sys.argv[1]))))
"""


def project() -> Settings:
    """The credit project; a window is a week."""
    return Settings(
        model=ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at"),
        monitor=MonitorSettings(window="7d", label_delay="0s"),
    )


def table() -> Any:
    """A rule that a linear model can follow, then its opposite."""
    frame = agrawal(WEEKS * ROWS, functions=(9,), seed=1, rows_per_week=ROWS)
    flipped = np.arange(len(frame)) >= CHANGE * ROWS
    frame["approved"] = np.where(flipped, 1 - frame["approved"], frame["approved"])
    return frame


def rehearsed(folder: Path | None, jobs: int = 1) -> Rehearsal:
    """A small rehearsal of everything there is."""
    policies = ("never", "always", "project", "window:last:4")
    return rehearse(
        table(), project(), policies=policies, learner="logistic", learnt=12, shuffled=1, faults=1,
        budgets=(4.0,), jobs=jobs, folder=folder,
    )  # fmt: skip


def played(folder: Path | None, jobs: int = 1) -> Any:
    """Its figures, without what time it took."""
    return json.loads(json.dumps(rehearsed(folder, jobs).figures()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """One that nothing stopped, with its answers kept."""
    return rehearsed(tmp_path_factory.mktemp("whole") / "cache")


@pytest.fixture(scope="module")
def figures(whole: Rehearsal) -> Any:
    """Its figures."""
    return json.loads(json.dumps(whole.figures()))


def test_after_a_kill_it_goes_on_and_comes_to_the_same(figures: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "cache")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    answers = tmp_path / "cache" / "answers"
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        eventually(lambda: len(list(answers.glob("*/*"))) > 25, 120.0, "answers on the shelf")
        process.send_signal(signal.SIGKILL)
    known = {path.name: path.stat().st_size for path in answers.glob("*/*")}
    # Torn files are nobody's answer.
    torn = min(path for path in answers.glob("*/*") if path.stat().st_size > 200)
    torn.write_bytes(torn.read_bytes()[:100])
    again = rehearsed(tmp_path / "cache")
    assert json.loads(json.dumps(again.figures())) == figures
    assert torn.stat().st_size == known[torn.name]


@pytest.mark.long
def test_processes_come_to_the_same(figures: Any, tmp_path: Path) -> None:
    assert played(tmp_path / "cache", jobs=2) == figures


@pytest.mark.long
def test_the_second_time_nothing_is_fitted(whole: Rehearsal, figures: Any, tmp_path: Path) -> None:
    rehearsed(tmp_path)
    second = rehearsed(tmp_path)
    assert whole.fresh_fits > 10
    assert second.fresh_fits == 0
    assert json.loads(json.dumps(second.figures())) == figures


def test_faults_are_found_and_told(whole: Rehearsal, tmp_path: Path) -> None:
    study = whole.study
    assert study is not None
    assert {f.fault for f in study.faults} >= {"missing_column", "sudden_concept", "definition_change"}
    assert study.faults[0].found == study.faults[0].trials == 1
    assert [s.budget for s in whole.sensitivity] == [1.0, 4.0]
    assert all(s.error is not None for s in whole.sensitivity)
    names = {d.name: d for d in whole.differences}
    assert names["window:last:4"].against == "project"
    assert names["never"].labels < 0 <= whole.policy("project").labels
    assert whole.recommendation is not None
    page = write_rehearsal(whole, tmp_path).read_text()
    assert page.count("<svg") == 5
    assert "Recommendation" in page


def test_the_report_follows_its_schema(whole: Rehearsal, tmp_path: Path) -> None:
    import jsonschema

    write_rehearsal(whole, tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    checked = jsonschema.Draft202012Validator(rehearsal_schema())
    checked.validate(told)
    with pytest.raises(jsonschema.ValidationError):
        checked.validate({**told, "recommendation": {**told["recommendation"], "verdict": "perhaps"}})


def test_a_shelf_stays_within_its_bound_and_keeps_what_was_used(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", most_bytes=6_000)
    names = [f"{i:064x}" for i in range(8)]
    for i, name in enumerate(names):
        shelf.put(name, np.full(100, float(i)), 0.5)
        os.utime(tmp_path / "shelf" / name[:1] / name, ns=(i, i))
    kept = shelf.get(names[0])
    assert kept is not None
    assert (kept.cost, float(kept.values[0])) == (0.5, 0.0)
    assert shelf.prune() == 2
    assert shelf.get(names[0]) is not None
    assert shelf.get(names[1]) is None
    assert Shelf(None).get(names[0]) is None
    assert Shelf(None).prune() == 0
