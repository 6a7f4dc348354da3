"""What `[train] mitigate` says, where it is valid and cannot be."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import get_args, get_type_hints

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import MitigateSettings, Settings

Fail = Callable[..., ConfigInvalid]
WAYS: tuple[str, ...] = get_args(get_type_hints(MitigateSettings)["by"])


def check_mitigation(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    way, train, model = settings.train.mitigate, settings.train, settings.model
    if way is None:
        return
    if isinstance(way, str) and way not in WAYS:
        near = difflib.get_close_matches(way, WAYS, n=1)
        cure = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(WAYS)}."
        raise fail("train.mitigate", f"unknown way {way!r}.", cure)
    rules = way if isinstance(way, MitigateSettings) else MitigateSettings(by=way)  # type: ignore[arg-type]
    if not model.sensitive:
        raise fail("train.mitigate", "there are no groups to treat alike.", "Name columns in model.sensitive.")
    if model.task != "classification":
        raise fail("train.mitigate", f"{rules.by} evens out decisions, which a {model.task} has none of.")
    if train.entrypoint is not None:
        raise fail("train.mitigate", "does not reach train.entrypoint, which fits the model itself.")
    if rules.column is not None and rules.column not in model.sensitive:
        raise fail("train.mitigate.column", f"{rules.column!r} is not sensitive.", "Name it in model.sensitive.")
    if train.out_of_core is True:
        raise fail("train.out_of_core", "fits from passes over a file, which mitigate does not reach.", "Take out one.")
    if rules.by != "reweighing":
        _check_with(settings, rules, fail)


def _check_with(settings: Settings, rules: MitigateSettings, fail: Fail) -> None:
    train, way = settings.train, rules.by
    if way == "threshold_optimiser" and rules.column is None and len(settings.model.sensitive) > 1:
        raise fail(
            "train.mitigate.column", "threshold_optimiser decides by one column, and there are several sensitive ones.",
            'Say which, as {by = "threshold_optimiser", column = "…"}.',
        )  # fmt: skip
    column = rules.column or settings.model.sensitive[0]
    if way == "threshold_optimiser" and any(column in pair for pair in settings.preparation.interactions):
        raise fail("preparation.interactions", f"names {column!r}, which the model is not to see.", "Take it out.")
    for key, given in (("costs", bool(train.costs)), ("threshold", train.threshold is not None)):
        if given:
            raise fail(
                f"train.{key}", f"cannot stand beside {way}, which settles who is decided positive.", "Take out one."
            )
    if train.calibrate not in ("auto", False):
        raise fail("train.calibrate", f"cannot stand beside {way}: it would move decisions again.", "Take out one.")
    if train.augment is not None:
        raise fail("train.augment", f"cannot stand beside {way}: rows that are made up belong to no group.")
    for key, given in (("monotone", bool(train.monotone)), ("warm_start", bool(train.warm_start))):
        if given:
            raise fail(f"train.{key}", f"does not reach the models that {way} fits.", "Take out one.")
    if settings.model.group is not None:
        raise fail("train.mitigate", f"{way} evens out decisions, and what is put in order is not decided.")
    if way == "exponentiated_gradient":
        for key, stated in (("weight", train.weight), ("class_weight", train.class_weight)):
            if stated is not None:
                raise fail(f"train.{key}", f"cannot stand beside {way}, which weighs rows itself.", "Take out one.")
