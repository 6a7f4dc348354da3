"""What a retraining leaves out: labels that somebody turned around."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.events import Window
from fairlead.ops.flow import Workspace, release
from fairlead.ops.flow.history import history
from fairlead.ops.flow.seeing import remember
from fairlead.ops.monitor.checks.poisoned import SPREAD
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

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
[gate]
beats = false
"""
BEGIN = 1_700_000_000.0
CALLERS = 6


def world(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Calls, and who churned."""
    calls = rng.poisson(3, rows)
    return calls, np.where(rng.random(rows) < 1 / (1 + np.exp(4.5 - 1.5 * calls)), "yes", "no")


def ask(ws: Workspace, rng: np.random.Generator, begin: float, wrong: Callable[[int], bool]) -> None:
    """1,500 answered rows by callers in turn, 25 at a time, with labels, turned round where `wrong` says so."""
    bundle = ws.state.version(ws.model, 1).bundle
    model = ws.load(bundle)
    spool = Spool(ws.home.root / "spool", f"i{begin:.0f}", "0", 1 << 30)
    schema = frames.Schema(ws.model, bundle, 1, model.signature, [], [])
    for chunk in range(60):
        calls, truth = world(rng, 25)
        rows = [[float(c)] for c in calls]
        scores = model.score_rows(rows).tolist()
        at, who, id = begin + 60.0 * chunk, chunk % CALLERS, f"r{begin:.0f}-{chunk}"
        if wrong(chunk):
            truth = np.where(truth == "yes", "no", "yes")
        answered = frames.Prediction(
            at, 0.1, id, f"caller{who}", ws.model, bundle, "champion", "native", rows, [[]] * len(rows),
            None, None, scores,
        )  # fmt: skip
        given = [frames.Given(id, i, None, None, str(t), None, None, "v1") for i, t in enumerate(truth)]
        label = frames.Label(at + 1.0, ws.model, f"caller{who}", given)
        spool.append([frames.encode(answered), frames.encode(label)], [schema], Tally())
    spool.close()
    collect(ws.home.root)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A deployed model and a window of 1,500 answered rows by six callers, of whom the third turns its labels round."""
    folder = tmp_path_factory.mktemp("doubts")
    rng = np.random.default_rng(0)
    calls, churned = world(rng, 600)
    pd.DataFrame({"calls": calls, "churned": churned}).to_csv(folder / "rows.csv", index=False)
    (folder / "fairlead.toml").write_text(CONFIG)
    project = fairlead.open(folder)
    project.train()
    project.evaluate()
    project.register()
    found = project.workspace
    release.deploy(found, 1)
    ask(found, rng, BEGIN, lambda chunk: chunk % CALLERS == 2)
    found.state.put_window(Window(found.model, 0, BEGIN, BEGIN + 3600.0, 1500, 1500, 0, "scored"), b"")
    return found


def test_labels_of_one_caller_that_disagree_are_not_learned_from(ws: Workspace) -> None:
    signature = ws.load(ws.state.version(ws.model, 1).bundle).signature
    past = history(ws, signature)
    assert past.left_out == 250
    assert past.recorded == 1250
    assert "caller2" in past.notes[0]
    assert past.notes[0].startswith("window 0: 250 labels disagree in blocks")


def test_without_the_guard_they_are(ws: Workspace) -> None:
    signature = ws.load(ws.state.version(ws.model, 1).bundle).signature
    rules = msgspec.structs.replace(ws.settings.retrain, guard=False)
    kept = ws.project.settings
    ws.project.settings = msgspec.structs.replace(kept, retrain=rules)
    try:
        assert history(ws, signature).recorded == 1500
    finally:
        ws.project.settings = kept


def test_wrong_labels_in_short_runs_of_every_caller_are_not_learned_from(ws: Workspace) -> None:
    ask(ws, np.random.default_rng(1), BEGIN + 3600.0, lambda chunk: chunk % 5 == 1)
    ws.state.put_window(Window(ws.model, 1, BEGIN + 3600.0, BEGIN + 7200.0, 1500, 1500, 0, "scored"), b"")
    signature = ws.load(ws.state.version(ws.model, 1).bundle).signature
    assert history(ws, signature).left_out == 250, "nobody knows yet how much runs differ usually"
    memory = {name: [value] * 4 for name, value in zip(SPREAD, (0.9, 37.0), strict=True)}
    with ws.state.transaction():
        remember(ws, {"poisoned": memory})
    past = history(ws, signature)
    assert 250 + 200 <= past.left_out <= 250 + 600, "300 are wrong, and runs are longer than what is"
    assert past.notes[1].startswith("window 1: ")
    assert "disagree in blocks: arrival in short runs" in past.notes[1]
