"""What a training says about leaks and about copies on both sides of its split."""

import numpy as np
import pandas as pd

from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.train.suspects.warning import copies_across, leak_warnings

SETTINGS = Settings(model=ModelSettings(name="m", task="classification", target="y", id="id"))


def made(rows=400):
    random = np.random.default_rng(1)
    x = random.normal(size=rows)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "x": x,
            "z": random.normal(size=rows),
            "y": np.where(x + random.normal(size=rows) > 0, "a", "b"),
        }
    )


def test_nothing_is_said_of_a_clean_table():
    assert leak_warnings(made(), SETTINGS, made().tail(80)) == []


def test_copies_across_the_split_are_counted_whatever_their_key():
    frame = made()
    copies = frame.iloc[:20].assign(id=np.arange(1000, 1020))
    holdout = pd.concat([frame.iloc[300:380], copies])
    everything = pd.concat([frame, copies])
    assert copies_across(everything, holdout, SETTINGS) == 20
    assert copies_across(frame, frame.tail(50), SETTINGS) == 0
    twice_in_holdout = pd.concat([holdout.iloc[:80], holdout.iloc[:1]])
    assert copies_across(pd.concat([frame, holdout.iloc[:1]]), twice_in_holdout, SETTINGS) == 0
    (said,) = leak_warnings(everything, SETTINGS, holdout)
    assert said.startswith("20 of 100 rows kept for judging are copies")


def test_a_leak_is_said_unless_the_project_excludes_it():
    frame = made().assign(closed=lambda t: np.where(t["y"] == "a", 1.5, 2.5))
    (said,) = leak_warnings(frame, SETTINGS, frame.tail(80))
    assert said.startswith("closed may leak y")
    model = ModelSettings(name="m", task="classification", target="y", id="id", exclude=("closed",))
    assert leak_warnings(frame, Settings(model=model), frame.tail(80)) == []


def test_tasks_without_a_truth_are_left_in_peace():
    settings = Settings(model=ModelSettings(name="m", task="clustering", target=""))
    assert leak_warnings(made(), settings, made().tail(80)) == []
