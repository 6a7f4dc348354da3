"""Plots of what training settled and of what a budget of contacts would find: gains, cost, coverage, learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.contract.decisions import AbstentionFound, ThresholdFound
from fairlead.contract.learning import Learning
from fairlead.lab.evaluate.evidence import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Wanted = tuple[str, str, Callable[["Axes"], None], float, float]


def wanted_settled(report: Report, colours: tuple[str, str, str, str]) -> list[Wanted]:
    """title, says, draw, width and height of each; colours: ink, faint, main, other."""
    found: list[Wanted] = []
    gains = report.curves.get("gains")
    if gains:
        share = _at(gains, 0.2)
        says = f"The fifth it is surest of holds {share:.0%} of all {report.positive}; by chance it were 20 %."
        found.append(("Gains", says, _gains(gains, str(report.positive), colours), 4.6, 3.5))
    threshold = report.decisions.threshold if report.decisions else None
    if threshold is not None and any("cost" in p for p in threshold.points):
        says = (
            f"Answers cost least with the threshold at {threshold.threshold.value:.2f}; the band is what chance allows."
        )
        found.append(("Cost of the threshold", says, _cost(threshold, colours), 4.6, 3.5))
    abstention = report.decisions.abstention if report.decisions else None
    if abstention is not None and abstention.points:
        says = (
            f"Answering {abstention.coverage:.0%} of the rows itself, it is right in {abstention.accuracy.value:.0%}."
        )
        found.append(("Accuracy and coverage", says, _coverage(abstention, colours), 4.6, 3.5))
    if report.learning is not None and len(report.learning.points) > 1:
        says = f"Mean loss by rows learned from: {report.learning.says}."
        found.append(("Learning curve", says, _learning(report.learning, colours), 4.6, 3.5))
    return found


def _at(gains: dict[str, list[float]], share: float) -> float:
    import numpy as np

    return float(np.interp(share, gains["share"], gains["found"]))


def _gains(gains: dict[str, Any], positive: str, colours: tuple[str, str, str, str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=colours[1], lw=1, ls="--", label="by chance")
        axes.plot([0, gains["events"], 1], [0, 1, 1], color=colours[1], lw=1, ls=":", label="at best")
        axes.plot(gains["share"], gains["found"], color=colours[2], lw=1.8, label="model")
        axes.set(xlabel="share of rows looked at, surest first", ylabel=f"share of all {positive} found")
        axes.set(xlim=(0, 1), ylim=(0, 1.01))
        axes.legend()

    return draw


def _cost(found: ThresholdFound, colours: tuple[str, str, str, str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        points = [p for p in found.points if "cost" in p]
        axes.plot([p["threshold"] for p in points], [p["cost"] for p in points], color=colours[2], lw=1.8)
        axes.axvspan(found.threshold.low, found.threshold.high, color=colours[3], alpha=0.2, lw=0)
        axes.axvline(found.threshold.value, color=colours[0], lw=1, ls=":")
        axes.set(xlabel="decision threshold", ylabel="mean cost of a row", xlim=(0, 1))

    return draw


def _coverage(found: AbstentionFound, colours: tuple[str, str, str, str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        points = sorted(found.points, key=lambda p: p["coverage"])
        at = [p["coverage"] for p in points]
        axes.plot(at, [p["accuracy"] for p in points], color=colours[2], lw=1.8, label="accuracy")
        axes.plot(at, [p["low"] for p in points], color=colours[2], lw=1, ls=":", label="surely at least")
        axes.axvline(found.coverage, color=colours[0], lw=1, ls=":")
        axes.set(xlabel="share of rows it answers itself", ylabel="accuracy of these", xlim=(0, 1.01))
        axes.legend()

    return draw


def _learning(found: Learning, colours: tuple[str, str, str, str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        at = [p.rows for p in found.points]
        value = [p.loss.value for p in found.points]
        spread = [[p.loss.value - p.loss.low for p in found.points], [p.loss.high - p.loss.value for p in found.points]]
        axes.errorbar(at, value, yerr=spread, color=colours[2], marker="o", ms=4, capsize=2, lw=1.8)
        if found.doubled is not None:
            ends = [[found.doubled.value - found.doubled.low], [found.doubled.high - found.doubled.value]]
            axes.errorbar(
                [2 * at[-1]],
                [found.doubled.value],
                yerr=ends,
                color=colours[3],
                marker="o",
                mfc="none",
                ms=5,
                capsize=2,
            )
            axes.plot([at[-1], 2 * at[-1]], [value[-1], found.doubled.value], color=colours[3], lw=1, ls="--")
        axes.set_xscale("log")
        axes.set_xticks(at, [f"{n:,}" for n in at], rotation=30, ha="right")
        axes.minorticks_off()
        axes.set(xlabel="rows learned from", ylabel="mean loss")

    return draw
