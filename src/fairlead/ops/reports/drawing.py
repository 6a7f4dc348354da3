"""Plots of the pages as SVG: two histograms over each other, and a figure over the windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from fairlead.ops.reports.window import ColumnView

WIDE, TALL = 360.0, 96.0
CURVE_WIDE, CURVE_TALL = 480.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 14.0, 24.0
MOST_BESIDE = 7
"""Characters that fit left of a plot."""


class Curve(msgspec.Struct, frozen=True, omit_defaults=True):
    """A figure over time. points: (event time, value), oldest first; a gap where a value is None.

    limit: where an alarm begins; usual: what it is in quiet times. marked: event times of what is pointed at.
    """

    title: str
    points: tuple[tuple[float, float | None], ...]
    limit: float | None = None
    usual: float | None = None
    marked: tuple[float, ...] = ()
    unit: str = ""


def histograms(column: ColumnView) -> str:
    """Shares of rows in each bin, the reference filled, the window outlined."""
    before, now = _shares(column.before), _shares(column.now)
    top = max(float(before.max(initial=0.0)), float(now.max(initial=0.0)), 1e-12)
    width = WIDE / max(len(before), 1)
    bars, wide = [], max(width - 1.0, 0.5)
    names = _bins(column, len(before))
    # Plain floats: numpy's own cost several times as much to write, and pages have thousands of them.
    for i, (b, n) in enumerate(zip(before.tolist(), now.tolist(), strict=True)):
        at = i * width
        told = escape(f"{names[i]}: {b:.1%} before, {n:.1%} now")
        bars.append(
            f"<g><title>{told}</title>"
            f'<rect class="before" x="{at:.1f}" y="{TALL * (1 - b / top):.1f}" width="{wide:.1f}" '
            f'height="{TALL * b / top:.1f}"/>'
            f'<rect class="now" x="{at:.1f}" y="{TALL * (1 - n / top):.1f}" width="{wide:.1f}" '
            f'height="{TALL * n / top:.1f}"/></g>'
        )
    label = escape(f"{column.name}: shares of rows before and now", quote=True)
    return (
        f'<svg viewBox="0 -1 {WIDE:g} {TALL + 3:g}" role="img" aria-label="{label}">{"".join(bars)}'
        f'<line class="axis" x1="0" x2="{WIDE:g}" y1="{TALL + 1:g}" y2="{TALL + 1:g}"/></svg>'
    )


def ends(column: ColumnView) -> tuple[str, str]:
    """What stands under the left and the right end of the histograms."""
    if column.labels:
        return column.labels[0], column.labels[-1] if len(column.labels) > 1 else ""
    if column.low is None or column.high is None:
        return "", ""
    return _value(column, column.low), _value(column, column.high)


def curve(found: Curve, zone: ZoneInfo) -> str:
    """The figure as a line, with its limit and what is usual; "" for fewer than two points."""
    told = [(at, value) for at, value in found.points if value is not None and np.isfinite(value)]
    if len(told) < 2:
        return ""
    values = [value for _, value in told] + [v for v in (found.limit, found.usual) if v is not None]
    margin = 0.06 * (max(values) - min(values)) or max(abs(max(values)), 1.0) * 0.1
    plane = _Plane(found.points[0][0], found.points[-1][0], min(values) - margin, max(values) + margin)
    parts = [_text(LEFT - 6, plane.y(v) + 4, _short(v), "end") for v in (min(values), max(values))]
    parts += [plane.upright("marked", at) for at in found.marked if plane.first <= at <= plane.last]
    for kind, value in (("usual", found.usual), ("limit", found.limit)):
        if value is not None:
            parts.append(plane.level(kind, value))
            parts.append(_text(CURVE_WIDE - RIGHT, plane.y(value) - 3, f"{kind} {_number(value)}", "end"))
    parts += [f'<polyline class="line" points="{plane.path(part)}"/>' for part in _unbroken(found.points)]
    parts += [plane.dot(at, value, f"{_day(at, zone)}: {_number(value)}") for at, value in told]
    for at, anchor in ((plane.first, "start"), (plane.last, "end")):
        parts.append(_text(plane.x(at), CURVE_TALL - 6, _day(at, zone), anchor))
    label = escape(f"{found.title} over the windows", quote=True)
    return f'<svg viewBox="0 0 {CURVE_WIDE:g} {CURVE_TALL:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


class _Plane(NamedTuple):
    """From times and values to places."""

    first: float
    last: float
    low: float
    high: float

    def x(self, at: float) -> float:
        return LEFT + (at - self.first) / ((self.last - self.first) or 1.0) * (CURVE_WIDE - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return CURVE_TALL - BOTTOM - (value - self.low) / (self.high - self.low) * (CURVE_TALL - TOP - BOTTOM)

    def upright(self, kind: str, at: float) -> str:
        x = f"{self.x(at):.1f}"
        return f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP:g}" y2="{CURVE_TALL - BOTTOM:g}"/>'

    def level(self, kind: str, value: float) -> str:
        y = f"{self.y(value):.1f}"
        return f'<line class="{kind}" x1="{LEFT:g}" x2="{CURVE_WIDE - RIGHT:g}" y1="{y}" y2="{y}"/>'

    def path(self, part: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in part)

    def dot(self, at: float, value: float, told: str) -> str:
        place = f'cx="{self.x(at):.1f}" cy="{self.y(value):.1f}"'
        return f'<circle class="dot" {place} r="2.6"><title>{escape(told)}</title></circle>'


def _unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None or not np.isfinite(value):
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if len(run) > 1]


def _text(at: float, height: float, text: str, anchor: str) -> str:
    return f'<text x="{at:.1f}" y="{height:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:.4g}"


def _short(value: float) -> str:
    """As many digits as there is room for left of a plot."""
    told = [f"{value:.{digits}g}" for digits in (4, 3, 2, 1)]
    return next((one for one in told if len(one) <= MOST_BESIDE), told[-1])


def _day(at: float, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"


def _shares(counts: Sequence[int]) -> np.ndarray:
    values = np.asarray(counts, dtype=np.float64)
    return np.asarray(values / max(values.sum(), 1.0))


def _bins(column: ColumnView, bins: int) -> list[str]:
    """What each bin holds, in words."""
    if column.labels:
        return list(column.labels)
    told = [_value(column, edge) for edge in column.edges]
    if not told:
        return ["every value"] * bins
    return [f"below {told[0]}", *(f"{a} to {b}" for a, b in pairwise(told)), f"from {told[-1]}"]


def _value(column: ColumnView, value: float) -> str:
    if column.kind == "time" and abs(value) < 1e11:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value))
    return _number(value)
