"""Whether `[retrain]` and the freezes of `[rollout]` can be."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.plugins import names
from fairlead.contract.settings import Settings
from fairlead.ops.project.calendar import parse_span
from fairlead.ops.project.durations import parse_windows
from fairlead.ops.project.learning_from import parse_ways
from fairlead.ops.project.triggers import parse_trigger

Fail = Callable[..., ConfigInvalid]


def check_renewing(settings: Settings, fail: Fail) -> None:
    """Raises what `fail(key, what, cure)` makes of the first thing that cannot be."""
    retrain = settings.retrain
    for trigger in retrain.when:
        try:
            parse_trigger(trigger)
        except UsageError as error:
            raise fail("retrain.when", str(error)) from None
    if "cost" in retrain.when and not (retrain.price > 0 and retrain.worth > 0):
        missing = "retrain.price" if retrain.price <= 0 else "retrain.worth"
        cure = "price: what a retraining costs; worth: what one unit of loss costs on one row, in the same money."
        raise fail(missing, "is needed by the trigger cost.", cure)
    try:
        parse_windows(retrain.cool_down)
    except UsageError as error:
        raise fail("retrain.cool_down", str(error)) from None
    try:
        parse_ways(retrain.window)
    except UsageError as error:
        raise fail("retrain.window", str(error)) from None
    _check_online(settings, fail)
    for span in settings.rollout.freeze:
        try:
            parse_span(span)
        except UsageError as error:
            raise fail("rollout.freeze", str(error)) from None


def _check_online(settings: Settings, fail: Fail) -> None:
    online, seal = settings.retrain.online, settings.retrain.seal
    if online and online not in names("learner"):
        near = difflib.get_close_matches(online, names("learner"), n=1, cutoff=0.5)
        cure = f"Did you mean {near[0]!r}?" if near else "Write online_linear or online_tree."
        raise fail("retrain.online", f"no learner {online!r}.", cure)
    for text in seal:
        try:
            trigger = parse_trigger(text)
        except UsageError as error:
            raise fail("retrain.seal", str(error)) from None
        if trigger.name not in ("labels", "every"):
            raise fail("retrain.seal", f"{text!r} is not for this.", "Write labels:1000, every:1d, or both.")
