"""Plain words for forecasts."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.forecasting.evidence import Forecasts

MEANING_FORECASTS = {
    "mase": "mean error as a share of how much the series changes from one season to the next; lower is better",
    "smape": "mean error as a share of the mean of forecast and truth, from 0 to 2; lower is better",
}

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks", "s": "seconds"}


def ahead(found: Forecasts) -> str:
    """How far it looks, for people.

    >>> from fairlead.lab.evaluate.forecasting.evidence import Shown
    >>> ahead(Forecasts(24, "1h", 24, 1, 1, (), Shown("", (), (), (), ())))
    'the next 24 hours'
    """
    if found.every == "month":
        return f"the next {found.horizon} months" if found.horizon > 1 else "the next month"
    count, unit = found.every[:-1], UNITS[found.every[-1]]
    if count != "1":
        return f"the next {found.horizon} values, one every {count} {unit}"
    return f"the next {found.horizon} {unit}" if found.horizon > 1 else f"the next {unit[:-1]}"


def quality_forecasts(report: Report, number: Callable[[float | str | None], str]) -> list[str]:
    """What a forecast is good for, in sentences."""
    found, metrics = report.forecasts, report.metrics
    if found is None or "mae" not in metrics:
        return []
    many = f", for {found.series:,} series," if found.series > 1 else ""
    told = f"It forecasts {ahead(found)}{many} and is off by {_spread(metrics['mae'], number)} on average"
    first, last = found.steps[0].error.value, found.steps[-1].error.value
    if len(found.steps) > 1:
        told += f": {number(first)} one step ahead, {number(last)} at the last"
    return [told + "."]


def against_forecasts(report: Report) -> str:
    """Beside what needs no model."""
    if not report.baselines:
        return "Nothing says whether it is better than repeating what was."
    base = report.baselines[0]
    steps = base.name.removeprefix("seasonal_naive_")
    what = "the last value" if base.name == "last_value" else f"the value {steps} steps before"
    if base.difference.high < 0:
        saved = 1 - report.loss.value / base.loss if base.loss > 0 else 0.0
        return f"Compared with repeating {what}, the best that needs no model, it takes away {saved:.0%} of the loss."
    return f"It is not surely better than repeating {what}, which needs no model."


def _spread(found: Interval, number: Callable[[float | str | None], str]) -> str:
    return f"{number(found.value)} (between {number(found.low)} and {number(found.high)}, allowing for chance)"
