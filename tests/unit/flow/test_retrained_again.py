"""A candidate of retraining, made again from the rows that were kept for it."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

import fairlead
from fairlead.doors.python import init
from fairlead.lab.train import train
from fairlead.ops.flow import making
from fairlead.ops.flow.gathering import Gathered


def test_settings_that_retraining_changed_are_those_it_is_made_again_by(tmp_path):
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"x": random.normal(size=200), "z": random.normal(size=200)})
    rows["y"] = rows["x"] + random.normal(size=200)
    rows.to_csv(tmp_path / "t.csv", index=False)
    init(tmp_path / "t.csv", "y", tmp_path)
    ws = fairlead.open(tmp_path).workspace
    data = msgspec.structs.replace(ws.settings.data, holdout=0.05)
    rules = msgspec.structs.replace(ws.settings.train, folds=2, trials=1, learners=("ridge",))
    training = train(rows, msgspec.structs.replace(ws.settings, data=data, train=rules), root=tmp_path, parent="p" * 64)
    bundle = making.keep(ws, training, Gathered(rows)).bundle
    answer = fairlead.open(tmp_path).reproduce(bundle)
    # The project's own settings differ, and the model is the same: it was made again by those of then.
    assert answer["differs"] == ["configuration"]
    assert {line.split(":")[0] for line in answer["parts"][1]["what"]} == {
        "data.holdout", "train.folds", "train.learners", "train.trials",
    }  # fmt: skip
    assert (answer["rows"], answer["predictions"]) == ("kept", None)
