"""Pictures of forecasts: what was said over what came, and the error by step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.forecasting.evidence import Shown, StepError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[["Axes"], None]


def wanted_forecasts(report: Report, colours: tuple[str, str, str, str]) -> list[tuple[str, str, Draw, float, float]]:
    """As `plots._wanted`. colours: ink, faint, main, other."""
    found = report.forecasts
    if found is None:
        return []
    of = f" of {found.shown.series}" if found.shown.series else ""
    said = (
        f"The newest forecasts{of} over what came. Each begins at a dotted line, by what was known there; where the "
        "lines part, it was wrong."
    )
    back = "the last value" if found.season == 1 else f"the value {found.season} steps before"
    steps = (
        f"How far off it is, one step ahead to {found.horizon}; the band is what chance leaves open. Above the dashed "
        f"line, repeating {back} would have been better."
    )
    return [
        ("Forecasts and what came", said, _over(found.shown, report.target, colours), 9.4, 3.2),
        ("Error by step", steps, _by_step(found.steps, report.target, colours), 9.4, 3.0),
    ]


def _over(shown: Shown, target: str, colours: tuple[str, str, str, str]) -> Draw:
    ink, faint, main, _ = colours

    def draw(axes: Axes) -> None:
        at: Any = [datetime.fromtimestamp(time, UTC) for time in shown.times]
        ends = [*shown.starts[1:], len(at)]
        for number, (start, end) in enumerate(zip(shown.starts, ends, strict=True)):
            axes.axvline(at[start], color=faint, lw=0.8, ls=":")
            named = number == 0
            axes.plot(at[start:end], shown.truth[start:end], color=ink, lw=1.1, label="what came" if named else None)
            axes.plot(at[start:end], shown.forecast[start:end], color=main, lw=1.6, label="forecast" if named else None)
        axes.set(ylabel=target, xlabel="time (UTC)")
        axes.margins(x=0.01)
        axes.legend(ncols=2, loc="upper left")

    return draw


def _by_step(steps: tuple[StepError, ...], target: str, colours: tuple[str, str, str, str]) -> Draw:
    _, _, main, other = colours

    def draw(axes: Axes) -> None:
        at = [one.step for one in steps]
        low, high = [one.error.low for one in steps], [one.error.high for one in steps]
        mark = "o" if len(at) < 3 else None
        axes.fill_between(at, low, high, color=main, alpha=0.2, lw=0)
        axes.plot(at, [one.error.value for one in steps], color=main, lw=1.8, label="this model", marker=mark)
        axes.plot(at, [one.naive for one in steps], color=other, lw=1.4, ls="--", label="naive", marker=mark)
        axes.set(xlabel="steps ahead", ylabel=f"mean error of {target}")
        axes.set_ylim(bottom=0.0)
        axes.locator_params(axis="x", integer=True)
        axes.margins(x=0.02)
        axes.legend(ncols=2)

    return draw
