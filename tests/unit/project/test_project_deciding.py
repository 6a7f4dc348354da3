"""What `[train]` says about decisions, checked as a whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.ops.project.combinations import check_combinations


def asked(task: str = "classification", time: str | None = None, **train: Any) -> Settings:
    model = ModelSettings(name="m", task=task, target="t", time=time)  # type: ignore[arg-type]
    return Settings(model=model, train=msgspec.convert(train, TrainSettings))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"costs": {"false_positive": 1.0}, "threshold": 0.3}, "train.threshold: cannot stand beside train.costs"),
        ({"costs": {"false_positve": 1.0}}, "Did you mean 'false_positive'"),
        ({"costs": {"true_positive": -1.0}}, "names no wrong decision"),
        ({"costs": {"false_negative": float("nan")}}, "not finite"),
        ({"threshold": {"precison": 0.5}}, "Did you mean 'precision'"),
        ({"threshold": {"precision": 0.5, "recall": 0.5}}, "2 rules; one decides"),
        ({"threshold": {}}, "names no rule"),
        ({"abstain": {"sureness": 0.5}}, "Known: accuracy, coverage, confidence"),
        ({"abstain": {"accuracy": 0.9, "coverage": 0.9}}, "2 rules"),
        ({"task": "regression", "abstain": {"coverage": 0.9}}, "is for classifications; the task is regression"),
        ({"task": "regression", "calibrate": "isotonic"}, "is for classifications"),
        ({"repeats": 2, "time": "at"}, "dealt in one way"),
        ({"nested": True, "entrypoint": "train.py:fit"}, "does without one"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        check_combinations(asked(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"costs": {"false_positive": 1, "false_negative": "amount", "true_positive": -2.5}},
        {"threshold": "f1"},
        {"threshold": 0.3, "abstain": {"accuracy": 0.95}, "calibrate": False},
        {"threshold": {"recall": 0.9}},
        {"task": "regression", "repeats": 3, "parallel": 4, "prune": "halving", "nested": True, "choose": "simplest"},
    ],
)
def test_what_can_be_is_taken(given: dict[str, Any]) -> None:
    check_combinations(asked(**given))
