"""What a forecast needs of a project, and what has no meaning for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.tables.steps import step_from

Fail = Callable[..., ConfigInvalid]
MOST_ELEMENTS = 100_000
"""Of one history: its lags times its columns."""
OWN = ("series", "horizon", "lags", "every", "covariates")


def check_forecasting(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    model = settings.model
    if model.task != "forecasting":
        for key in OWN:
            if getattr(model, key):
                raise fail(f"model.{key}", f"a {model.task} has no series to forecast.", "Take it out.")
        return
    if not model.time_columns:
        cure = "Name the column (or the date and hour columns) that say when a value was."
        raise fail("model.time", "a forecast goes by time.", cure)
    if not model.horizon:
        raise fail("model.horizon", "how many values ahead are asked?", "A day of hours is 24.")
    if model.lags == 1:
        raise fail("model.lags", "one value is no history.", "Take two seasons, or leave it out.")
    if model.every:
        try:
            step_from(model.every)
        except ConfigInvalid as error:
            what = f"{model.every!r} is no step of a series."
            raise fail("model.every", what, error.cure) from None
    if model.lags * (1 + len(model.covariates)) > MOST_ELEMENTS:
        raise fail("model.lags", f"times its columns they are more than {MOST_ELEMENTS:,} numbers a row.")
    _check_columns(settings, fail)
    _check_meaningless(settings, fail)


def _check_columns(settings: Settings, fail: Fail) -> None:
    model = settings.model
    uses = {"the target": (model.target,), "a time": model.time_columns, "the series": (model.series,)}
    for name in model.covariates:
        for use, names in uses.items():
            if name in names:
                raise fail("model.covariates", f"{name!r} is {use}.", "Its past is looked at anyway. Take it out.")
        if model.covariates.count(name) > 1:
            raise fail("model.covariates", f"lists {name!r} twice.")
    if model.series is not None and model.series in (model.target, *model.time_columns):
        raise fail("model.series", f"{model.series!r} is the target or a time.")


def _check_meaningless(settings: Settings, fail: Fail) -> None:
    """Settings that would do nothing here are refused, so that nobody relies on them."""
    model, train, gate = settings.model, settings.train, settings.gate
    own = "An answer goes by the series' own past and by model.covariates."
    asked: tuple[tuple[str, Any, str], ...] = (
        ("model.features", model.features, own),
        ("model.exclude", model.exclude, own),
        ("model.categories", model.categories, own),
        ("model.id", model.id, "A row is known by its series and the time of its newest value."),
        ("model.sensitive", model.sensitive, "Compare series by hand."),
        ("preparation.columns", settings.preparation.columns, own),
        ("preparation.interactions", settings.preparation.interactions, own),
        ("train.entrypoint", train.entrypoint, "Name learners instead."),
        ("train.weight", train.weight, ""),
        ("train.class_weight", train.class_weight, ""),
        ("train.monotone", train.monotone, ""),
        ("train.augment", train.augment, ""),
        ("train.mitigate", train.mitigate, ""),
        ("train.nested", train.nested, ""),
        ("train.transfer", train.transfer, ""),
        ("train.warm_start", train.warm_start, "It is always learned anew."),
        ("train.quantile", getattr(train, "quantile", None), ""),
        ("train.costs", train.costs, ""),
        ("train.threshold", train.threshold, ""),
        ("train.abstain", train.abstain, ""),
        ("gate.groups", gate.groups or None, ""),
        ("gate.max_group_gap", gate.max_group_gap or None, ""),
        ("gate.max_slice_loss", gate.max_slice_loss or None, ""),
        ("gate.max_calibration_error", gate.max_calibration_error or None, ""),
        ("gate.robustness", gate.robustness or None, ""),
        ("evaluate.slices", settings.evaluate.slices, ""),
    )
    for key, value, cure in asked:
        if value not in (None, False, (), {}):
            raise fail(key, "has no meaning for a forecast.", cure or "Take it out.")
