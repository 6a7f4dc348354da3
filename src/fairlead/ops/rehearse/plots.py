"""Plots of a rehearsal: quality over time, quality with its doubt, and what was paid for it."""

from __future__ import annotations

from collections.abc import Callable
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

AROUND = 8
"""Windows that an interval over time is taken from."""


def plots_of(rehearsal: Rehearsal) -> list[dict[str, str]]:
    """title, what it says, and the SVG, in reading order."""
    unit = rehearsal.unit
    found: list[tuple[str, str, Callable[[Axes], None], float, float]] = [
        ("Quality over time", f"{unit} of each window, lower is better, with 95 % intervals of runs of 8 windows "
         "around the project's own. Triangles are its retrainings; ticks below, windows in which something alarmed.",
         lambda axes: _over_time(axes, rehearsal), 9.6, 3.9),
        ("Quality with its doubt", "Mean over all windows lived through, with 95 % intervals from blocks of 8 windows.",
         lambda axes: _intervals(axes, rehearsal), 4.6, 3.6),
        ("What it costs", f"Model fits (each try of the window picker counts) against {unit}.",
         lambda axes: _price(axes, rehearsal), 4.6, 3.6),
    ]  # fmt: skip
    if rehearsal.study is not None and any(f.trials for f in rehearsal.study.faults):
        found.append(("Faults found", "Share of the faults put in at random times that was found, with 95 % intervals.",
                      lambda axes: _faults(axes, rehearsal), 4.6, 3.6))  # fmt: skip
    if len(rehearsal.sensitivity) > 1:
        found.append(("Budget of false alarms", "Alarms a month on clean copies (left, 95 % intervals; the dotted line "
                      "is the budget itself) and share of faults found (right), by budget.",
                      lambda axes: _budgets(axes, rehearsal), 4.6, 3.6))  # fmt: skip
    return [
        {"title": title, "says": says, "svg": svg(draw, title, width, height), "wide": "wide" if width > 5 else ""}
        for title, says, draw, width, height in found
    ]


def _own(rehearsal: Rehearsal) -> PolicyResult | None:
    by_name = {p.name: p for p in rehearsal.policies}
    return by_name.get("project") or by_name.get("performance")


def _shown(rehearsal: Rehearsal) -> list[PolicyResult]:
    return [p for p in _distinct(rehearsal) if p.name in STYLE]


def _distinct(rehearsal: Rehearsal) -> list[PolicyResult]:
    """Without those that behave as an earlier one does: two marks on one another help nobody."""
    known: set[tuple[float, ...]] = set()
    found = []
    for policy in rehearsal.policies:
        if policy.series not in known:
            known.add(policy.series)
            found.append(policy)
    return found


def _over_time(axes: Axes, rehearsal: Rehearsal) -> None:
    at = np.asarray([datetime.fromtimestamp(s, UTC).replace(tzinfo=None) for s in rehearsal.starts])
    own = _own(rehearsal)
    for policy in _shown(rehearsal):
        colour, line = STYLE[policy.name]
        mine = own is not None and policy.series == own.series
        axes.plot(at, policy.series, line, color=colour, linewidth=2.0 if mine else 1.1, label=policy.name)
        if mine:
            low, high = _band(np.asarray(policy.series))
            axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
            marks = [rehearsal.place(t.window) for t in policy.told if t.what == "retrain"]
            axes.plot(at[marks], np.asarray(policy.series)[marks], "^", color=colour, markersize=6)
            alarmed = [rehearsal.place(w) for w in policy.alarmed]
            axes.plot(at[alarmed], np.zeros(len(alarmed)), "|", color=INK, markersize=12, label="alarm")
    for change in rehearsal.changes:
        if rehearsal.learnt <= change <= rehearsal.judged[-1]:
            axes.axvline(at[rehearsal.place(change)], color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylabel(rehearsal.unit)
    axes.set_ylim(bottom=0)
    axes.legend(ncols=7, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=8)


def _band(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the windows around each one, at most 8, with twice its standard error: (windows,) each."""
    low, high = np.empty(len(series)), np.empty(len(series))
    for i in range(len(series)):
        near = series[max(i - AROUND // 2, 0) : i + AROUND // 2]
        error = float(near.std(ddof=1)) / np.sqrt(len(near)) if len(near) > 1 else 0.0
        low[i], high[i] = max(float(near.mean()) - 1.96 * error, 0.0), float(near.mean()) + 1.96 * error
    return low, high


def _faults(axes: Axes, rehearsal: Rehearsal) -> None:
    assert rehearsal.study is not None
    tried = [f for f in rehearsal.study.faults if f.power is not None][::-1]
    for row, found in enumerate(tried):
        power = found.power
        assert power is not None
        axes.plot([power.low, power.high], [row, row], color=MAIN, linewidth=1.5)
        axes.plot(power.value, row, "o", color=MAIN, markersize=5)
    axes.set_yticks(range(len(tried)), [f.fault.replace("_", " ") for f in tried])
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share found")


def _budgets(axes: Axes, rehearsal: Rehearsal) -> None:
    rows = rehearsal.sensitivity
    at = np.asarray([row.budget for row in rows])
    alarms = np.asarray([[row.alarms.value, row.alarms.low, row.alarms.high] for row in rows])
    axes.plot(at, at, ":", color=FAINT, linewidth=1.0)
    axes.vlines(at, alarms[:, 1], alarms[:, 2], color=MAIN, linewidth=1.2)
    axes.plot(at, alarms[:, 0], "o-", color=MAIN, markersize=4)
    axes.set_xscale("log")
    axes.set_xticks(at, [f"{budget:g}" for budget in at])
    axes.minorticks_off()
    axes.set_xlabel("false alarms a month allowed")
    axes.set_ylabel("alarms a month", color=MAIN)
    axes.set_ylim(bottom=0)
    if all(row.power is not None for row in rows):
        beside = axes.twinx()
        beside.plot(at, [row.power.value for row in rows if row.power is not None], "s--", color=OTHER, markersize=4)
        beside.set_ylim(0, 1.05)
        beside.set_ylabel("share found", color=OTHER)


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
    priced = [p for p in _distinct(rehearsal) if p.name not in ("persistence", "constant", "online")]
    # Neighbours are named above and below their marks in turn.
    for place, policy in enumerate(sorted(priced, key=lambda p: (p.fits, p.quality.value))):
        colour = MAIN if policy.name in ("performance", "project") else INK
        at = (policy.fits, policy.quality.value)
        axes.plot(*at, "o", color=colour, markersize=5)
        axes.annotate(
            policy.name.removeprefix("window:"), at, textcoords="offset points", xytext=(4, (5, -11)[place % 2]),
            color=INK, fontsize=8,
        )  # fmt: skip
    axes.set_xlabel("model fits")
    axes.set_ylabel(rehearsal.unit)
    axes.margins(x=0.25, y=0.15)
