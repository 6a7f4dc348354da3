"""Plots of a rehearsal: quality over time, quality with its doubt, and what was paid for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from fairlead.lab.evaluate.plots import FAINT, INK, MAIN, OTHER, svg
from fairlead.ops.rehearse.results import PolicyResult, Rehearsal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = {
    "never": (FAINT, "-"), "always": (INK, ":"), "performance": (MAIN, "-"), "scheduled": (OTHER, "--"),
    "project": (OTHER, "-"), "recent": (INK, "-."), "persistence": (FAINT, "--"),
}  # fmt: skip


def plots_of(rehearsal: Rehearsal) -> list[dict[str, str]]:
    """title, what it says, and the SVG, in reading order."""
    unit = rehearsal.unit
    found = [
        ("Quality over time", f"{unit} of each window, lower is better; triangles are retrainings of the trigger.",
         lambda axes: _over_time(axes, rehearsal), 9.6, 3.6),
        ("Quality with its doubt", "Mean over all windows lived through, with 95 % intervals from blocks of 8 windows.",
         lambda axes: _intervals(axes, rehearsal), 4.6, 3.4),
        ("What it costs", f"Model fits (each try of the window picker counts) against {unit}.",
         lambda axes: _price(axes, rehearsal), 4.6, 3.4),
    ]  # fmt: skip
    return [
        {"title": title, "says": says, "svg": svg(draw, title, width, height), "wide": "wide" if width > 5 else ""}
        for title, says, draw, width, height in found
    ]


def _shown(rehearsal: Rehearsal) -> list[PolicyResult]:
    return [p for p in _distinct(rehearsal) if p.name in STYLE]


def _distinct(rehearsal: Rehearsal) -> list[PolicyResult]:
    """Without a project that keeps the defaults and so is the trigger itself: two marks on one another help nobody."""
    same = {p.name: p.series for p in rehearsal.policies}
    return [p for p in rehearsal.policies if p.name != "project" or same.get("performance") != p.series]


def _over_time(axes: Axes, rehearsal: Rehearsal) -> None:
    at = np.asarray([datetime.fromtimestamp(s, UTC).replace(tzinfo=None) for s in rehearsal.starts])
    for policy in _shown(rehearsal):
        colour, line = STYLE[policy.name]
        wide = 2.0 if policy.name in ("performance", "project") else 1.1
        axes.plot(at, policy.series, line, color=colour, linewidth=wide, label=policy.name)
        if policy.name == "performance":
            marks = [t.window - rehearsal.learnt for t in policy.told if t.what == "retrain"]
            axes.plot(at[marks], np.asarray(policy.series)[marks], "^", color=colour, markersize=5)
    for change in rehearsal.changes:
        if 0 <= change - rehearsal.learnt < len(at):
            axes.axvline(at[change - rehearsal.learnt], color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylabel(rehearsal.unit)
    axes.set_ylim(bottom=0)
    axes.legend(ncols=7, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=8)


def _intervals(axes: Axes, rehearsal: Rehearsal) -> None:
    shown = [p for p in _distinct(rehearsal) if p.name != "constant"][::-1]
    for row, policy in enumerate(shown):
        quality = policy.quality
        colour = MAIN if policy.name in ("performance", "project") else INK
        axes.plot([quality.low, quality.high], [row, row], color=colour, linewidth=1.5)
        axes.plot(quality.value, row, "o", color=colour, markersize=5)
    axes.set_yticks(range(len(shown)), [p.name for p in shown])
    axes.set_xlabel(rehearsal.unit)


def _price(axes: Axes, rehearsal: Rehearsal) -> None:
    for policy in _distinct(rehearsal):
        if policy.name in ("persistence", "constant"):
            continue
        colour = MAIN if policy.name in ("performance", "project") else INK
        axes.plot(policy.fits, policy.quality.value, "o", color=colour, markersize=5)
        axes.annotate(
            policy.name, (policy.fits, policy.quality.value), textcoords="offset points", xytext=(6, 3), color=INK
        )
    axes.set_xlabel("model fits")
    axes.set_ylabel(rehearsal.unit)
    axes.margins(x=0.25, y=0.15)
