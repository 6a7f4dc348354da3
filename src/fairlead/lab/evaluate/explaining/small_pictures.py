"""Curves of a few columns, small, as SVG written by hand: a report has several, and each costs nothing to draw."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from fairlead.lab.evaluate.explaining.evidence import Dependence
from fairlead.lab.evaluate.explaining.words import amount, dependence_says, share

WIDE, TALL = 400.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 8.0, 34.0
LONGEST = 22
COLOURS = ("var(--main)", "var(--other)", "var(--ink)", "var(--good)", "var(--unsure)", "var(--bad)")


def small_curve(found: Dependence, unit: str) -> dict[str, str]:
    """title: what it says; svg: the mean answer along the grid, its interval, and single rows behind it."""
    plain = share if unit in ("probability", "membership") else amount
    body = _bars(found, plain) if isinstance(found.grid[0], str) else _lines(found, plain)
    names = "" if len(found.outputs) == 1 else f" ({', '.join(found.outputs)})"
    label = escape(f"Mean {unit} by {found.column}{names}", quote=True)
    return {
        "title": dependence_says(found, unit),
        "svg": f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDE:g} {TALL:g}" font-size="11" '
        f'fill="var(--soft)">{body}</svg>',
    }


def _lines(found: Dependence, plain: Any) -> str:
    low, high = _range(found)
    first, last = float(found.grid[0]), float(found.grid[-1])

    def x(value: float) -> float:
        return LEFT + (value - first) / ((last - first) or 1.0) * (WIDE - LEFT - RIGHT)

    def y(value: float) -> float:
        return TALL - BOTTOM - (value - low) / ((high - low) or 1.0) * (TALL - TOP - BOTTOM)

    at = [x(float(value)) for value in found.grid]
    parts = [_axis(plain(low), y(low)), _axis(plain(high), y(high))]
    tallest = max(found.density) or 1.0
    parts += [
        f'<rect x="{place - 2:.1f}" y="{TALL - BOTTOM - 14 * near / tallest:.1f}" width="4" '
        f'height="{14 * near / tallest:.1f}" fill="var(--line)"/>'
        for place, near in zip(at, found.density, strict=True)
    ]
    if len(found.outputs) == 1:
        parts += [_path(at, [y(value) for value in line], "var(--faint)", 0.6, 0.55) for line in found.lines]
    for (_, points), colour in zip(found.outputs.items(), COLOURS, strict=False):
        band = [(a, y(p[2])) for a, p in zip(at, points, strict=True)]
        band += [(a, y(p[1])) for a, p in reversed(list(zip(at, points, strict=True)))]
        parts.append(f'<polygon points="{_points(band)}" fill="{colour}" opacity="0.2"/>')
        parts.append(_path(at, [y(p[0]) for p in points], colour, 2.2, 1.0))
    ends = ((at[0], first, "start"), (at[-1], last, "end"))
    parts += [_text(place, TALL - BOTTOM + 14, _figure(value), anchor) for place, value, anchor in ends]
    parts.append(_text((LEFT + WIDE - RIGHT) / 2, TALL - 6, f"{found.column} (bars: where rows are)", "middle"))
    return "".join(parts)


def _bars(found: Dependence, plain: Any) -> str:
    names = [str(name) for name in found.grid]
    low, high = _range(found, lines=False)
    left, step = 150.0, (TALL - TOP - BOTTOM) / max(1, len(names))

    def x(value: float) -> float:
        return left + (value - low) / ((high - low) or 1.0) * (WIDE - left - RIGHT)

    parts = []
    for at, name in enumerate(names):
        middle = TOP + (at + 0.5) * step
        told = f"{_cut(name)} ({100 * found.density[at]:.0f} %)"
        parts.append(_text(left - 8, middle + 4, told, "end"))
        for (_, points), colour in zip(found.outputs.items(), COLOURS, strict=False):
            mean, least, most = points[at]
            parts.append(
                f'<line x1="{x(least):.1f}" x2="{x(most):.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="{colour}" '
                f'stroke-width="2" opacity="0.5"/><circle cx="{x(mean):.1f}" cy="{middle:.1f}" r="4" fill="{colour}"/>'
            )
    parts.append(_text(x(low), TALL - BOTTOM + 14, plain(low), "start"))
    parts.append(_text(x(high), TALL - BOTTOM + 14, plain(high), "end"))
    parts.append(_text((left + WIDE - RIGHT) / 2, TALL - 6, f"{_cut(found.column)} (share of rows)", "middle"))
    return "".join(parts)


def _range(found: Dependence, lines: bool = True) -> tuple[float, float]:
    ends = [end for points in found.outputs.values() for point in points for end in point]
    if lines and len(found.outputs) == 1:
        ends += [value for line in found.lines for value in line]
    return min(ends), max(ends)


def _axis(told: str, y: float) -> str:
    line = f'<line x1="{LEFT:g}" x2="{WIDE - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
    return line + _text(LEFT - 4, y + 4, told, "end")


def _path(at: Sequence[float], heights: Sequence[float], colour: str, wide: float, opacity: float) -> str:
    return (
        f'<polyline points="{_points(list(zip(at, heights, strict=True)))}" fill="none" stroke="{colour}" '
        f'stroke-width="{wide:g}" opacity="{opacity:g}"/>'
    )


def _points(listed: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in listed)


def _text(x: float, y: float, told: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(told)}</text>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
