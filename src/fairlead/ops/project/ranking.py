"""What `[model] group`, `[model] item` and `[train] quantile` go together with."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.plugins import variant
from fairlead.contract.settings import Settings

Fail = Callable[..., ConfigInvalid]


def check_ranking(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    model = settings.model
    if model.item is not None and model.group is None:
        raise fail("model.item", "says what a row of a ranking stands for, and there is no model.group.",
                   "Set model.group to the column whose rows are put in order together.")  # fmt: skip
    if model.group is not None:
        _check_group(settings, fail)
    elif any(getattr(variant("learner", name), "ranks", False) for name in settings.train.learners):
        raise fail("train.learners", "one of them learns the order of groups, and there is no model.group.",
                   "Set model.group, or take it out.")  # fmt: skip
    _check_quantile(settings, fail)


def _check_group(settings: Settings, fail: Fail) -> None:
    model = settings.model
    if model.task not in ("classification", "regression"):
        raise fail("model.group", f"a {model.task} puts no rows in order.",
                   "A ranking is a regression, or a classification of two classes.")  # fmt: skip
    for key, name in (("model.group", model.group), ("model.item", model.item)):
        if name is None:
            continue
        uses = {"the target": (model.target,), "the event time": model.time_columns, "the key of a row": (model.id,)}
        for use, names in uses.items():
            if name in names:
                raise fail(key, f"{name!r} is {use}; it must be a column of its own.")
    if model.group == model.item:
        raise fail("model.item", f"{model.item!r} is the group, too; an item is one row of many in a group.")
    if model.group in model.features:
        what = f"lists the group {model.group!r}, which is passed through and never a feature."
        raise fail("model.features", what, "What is known of a group belongs in columns of their own.")


def _check_quantile(settings: Settings, fail: Fail) -> None:
    from fairlead.lab.stats.further import QUANTILE

    rules, model, asked = settings.train, settings.model, settings.gate.min or {}
    if rules.quantile is None:
        for metric in asked:
            if metric in QUANTILE:
                raise fail("gate.min", f"{metric!r} is of a model that answers a quantile.", "Set train.quantile.")
        return
    for metric in asked:
        if metric not in (*QUANTILE, "mae"):
            known = ", ".join((*QUANTILE, "mae"))
            raise fail("gate.min", f"{metric!r} is no metric of answers that mean a quantile.", f"Known: {known}.")
    if model.task != "regression":
        raise fail("train.quantile", f"a {model.task} has no quantile to answer; that is of a regression.")
    if rules.entrypoint:
        raise fail("train.quantile", "your own entrypoint fits as it likes, so this would do nothing.", "Take it out.")
    if model.group is not None:
        raise fail("train.quantile", "a ranking is put in order by what is expected.", "Take one of the two out.")


def opponents_of(settings: Settings) -> tuple[str, ...]:
    """What `[gate] beats` may name."""
    model = settings.model
    if model.group is None:
        return ("baseline",)
    return ("baseline", "popularity", "random") if model.item is not None else ("baseline", "random")


def ranking_metrics_of(settings: Settings) -> tuple[str, ...]:
    """Metrics that a project has because it ranks."""
    from fairlead.lab.stats.ranking import RANKING

    return RANKING if settings.model.group is not None else ()


def asks_of_ranking(settings: Settings, metric: str) -> bool:
    """Whether it is a metric of a ranking at a k of the project's own."""
    from fairlead.lab.stats.ranking import k_of

    return settings.model.group is not None and k_of(metric) is not None
