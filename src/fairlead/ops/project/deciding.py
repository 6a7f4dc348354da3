"""What `[train]` says about decisions, where each value is valid and the whole makes no sense."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from math import isfinite

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings

Fail = Callable[..., ConfigInvalid]
COSTS = ("false_positive", "false_negative", "true_positive", "true_negative")
RULES = {"threshold": ("precision", "recall"), "abstain": ("accuracy", "coverage", "confidence")}


def check_deciding(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    train, task = settings.train, settings.model.task
    asked = {
        "costs": bool(train.costs),
        "threshold": train.threshold is not None,
        "abstain": bool(train.abstain),
        "calibrate": train.calibrate not in ("auto", False),
    }
    for key, given in asked.items():
        if given and task != "classification":
            raise fail(f"train.{key}", f"is for classifications; the task is {task}.", "Take it out.")
    if asked["costs"] and asked["threshold"]:
        raise fail("train.threshold", "cannot stand beside train.costs, which set the threshold.", "Take out one.")
    for name, cost in train.costs.items():
        _known(name, COSTS, "train.costs", fail)
        if not isinstance(cost, str) and not isfinite(cost):
            raise fail("train.costs", f"{name} is not finite.")
    if asked["costs"] and not {"false_positive", "false_negative"} & train.costs.keys():
        raise fail("train.costs", "names no wrong decision.", "Write it as {false_positive = 1, false_negative = 5}.")
    for key, value in (("threshold", train.threshold), ("abstain", train.abstain)):
        if isinstance(value, dict) and value:
            for name in value:
                _known(name, RULES[key], f"train.{key}", fail)
            if len(value) != 1:
                raise fail(f"train.{key}", f"has {len(value)} rules; one decides.", "Keep one.")
    timed, own = bool(settings.model.time_columns), train.entrypoint is not None
    if train.repeats > 1 and timed:
        raise fail(
            "train.repeats", "is for rows without time: rows in time order are dealt in one way.", "Take it out."
        )
    for key, given in (
        ("repeats", train.repeats > 1), ("nested", train.nested), ("parallel", train.parallel > 1),
        ("engine", train.engine != "local"),
        ("prune", train.prune is not False), ("choose", train.choose != "best"),
    ):  # fmt: skip
        if given and own:
            raise fail(f"train.{key}", "is for a search, and train.entrypoint does without one.", "Take out one.")
    if train.nested and task not in ("classification", "regression"):
        raise fail("train.nested", f"needs a truth to judge by, which a {task} does not have.", "Take it out.")
    if train.threshold == {}:
        raise fail("train.threshold", "names no rule.", 'Write it as 0.3, "f1" or {precision = 0.8}.')


def _known(name: str, known: Collection[str], key: str, fail: Fail) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise fail(key, f"unknown {name!r}.", f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.")
