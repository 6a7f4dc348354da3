"""What `[train]` asks of every fit: weights, classes, order, stopping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings

Fail = Callable[..., ConfigInvalid]


def check_learning(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    rules, model = settings.train, settings.model
    asked: dict[str, Any] = {
        "weight": rules.weight,
        "class_weight": rules.class_weight,
        "monotone": rules.monotone or None,
    }
    asked["patience"] = rules.patience or None
    for key, value in asked.items():
        if value is not None and rules.entrypoint:
            raise fail(
                f"train.{key}", "your own entrypoint fits as it likes, so this would do nothing.", "Take it out."
            )
    if rules.weight is not None:
        uses = {"the target": (model.target,), "the key": (model.id,), "a time": model.time_columns}
        uses["one of model.features"] = model.features
        for use, names in uses.items():
            if rules.weight in names:
                raise fail("train.weight", f"{rules.weight!r} is {use}; a weight is a column of its own.")
    if rules.class_weight is not None and model.task != "classification":
        raise fail("train.class_weight", f"a {model.task} has no classes to weigh.", "Weigh rows with train.weight.")
    if rules.monotone and model.task not in ("classification", "regression"):
        raise fail("train.monotone", f"a {model.task} has no answer that rises or falls with a column.")
    for name in rules.monotone:
        if name in (model.target, model.id) or (model.features and name not in model.features):
            raise fail("train.monotone", f"{name!r} is no feature.", f"Features: {', '.join(model.features) or 'all'}.")
