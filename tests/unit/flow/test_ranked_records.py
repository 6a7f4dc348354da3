"""Records of a ranking come back with their groups, to be judged by group and to be learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.lab.train import material_of
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.history import history
from fairlead.ops.flow.ranked import drawn_together, groups_of, order_intervals
from fairlead.ops.flow.view import read_view
from fairlead.ops.project import Project
from fairlead.runtime.capture import Records, Spool, Tally, collect
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "m"
task = "regression"
target = "gain"
group = "query"
item = "page"

[data]
train = "train.csv"
"""
SIGNATURE = Signature(
    task="regression", columns=(Column("near", "number"),), target="gain", group="query", item="page", sticky="query"
)
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two groups in the table, as whole numbers; two that were asked about since, one with a label too few."""
    folder: Path = tmp_path_factory.mktemp("ranked")
    (folder / "fairlead.toml").write_text(CONFIG)
    (folder / "train.csv").write_text("query,page,near,gain\n1,10,0.5,1\n1,11,0.1,0\n2,10,0.4,0\n2,12,0.9,2\n")
    made = Workspace(Project.find(folder))
    schema = frames.Schema("m", "b", 1, SIGNATURE, [], list(SIGNATURE.passthrough))
    assert schema.passes == ["query", "page"]
    rows = [[0.9], [0.2], [0.7], [0.1], [0.5]]
    passes = [["3", "10"], ["3", "11"], ["3", "12"], ["4", "10"], ["4", "11"]]
    scores = [[row[0]] for row in rows]
    answered = frames.Prediction(NOW, 0.1, "r", None, "m", "b", "champion", "native", rows, passes, None, None, scores)
    labels = ["0", "0", "1", "2"]
    given = [frames.Given("r", at, None, None, label, None, None, "v1") for at, label in enumerate(labels)]
    spool = Spool(made.home.root / "spool", "i", "0", 1 << 30)
    spool.append([frames.encode(answered), frames.encode(frames.Label(NOW + 1, "m", None, given))], [schema], Tally())
    spool.close()
    collect(made.home.root)
    return made


def test_a_window_is_judged_by_the_groups_that_were_labelled(ws: Workspace) -> None:
    view = read_view(Records(ws.home.root, "m"), NOW - 10, NOW + 10, SIGNATURE)
    chosen = np.flatnonzero(view.labelled)
    groups = groups_of(view, chosen)
    assert groups is not None
    assert groups.tolist() == ["3", "3", "3", "4"]
    assert np.asarray(drawn_together(groups)).tolist() == [0, 0, 0, 1]
    truth, scores = view.labels[chosen], view.answered()[chosen]
    found = order_intervals(groups, truth, scores, SIGNATURE, draws=50, seed=0)
    # Of the fourth group one label came: it cannot be put in order. In the third the wanted row stands second.
    assert found["ndcg_at_3"].value == pytest.approx(1 / np.log2(3))
    assert found["mrr"].value == 0.5
    assert order_intervals(None, truth, scores, SIGNATURE, draws=50, seed=0) == {}
    assert drawn_together(None) == 1


def test_what_was_recorded_is_learned_from_in_its_groups(ws: Workspace) -> None:
    known = history(ws, SIGNATURE)
    assert known.recorded == 4
    assert known.frame["query"].tolist() == ["1", "1", "2", "2", "3", "3", "3", "4"]
    assert known.frame["page"].tolist() == ["10", "11", "10", "12", "10", "11", "12", "10"]
    material = material_of(known.frame, ws.settings, SIGNATURE)
    assert material.clusters is not None
    assert material.clusters.tolist() == [0, 0, 1, 1, 2, 2, 2, 3]
