"""Plots of explanations: sizes with intervals, how columns push, curves with the data's density, rows as waterfalls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.lab.evaluate.explaining.evidence import Dependence, Effect, Overall
from fairlead.lab.evaluate.explaining.words import dependence_says, effect_says, headline
from fairlead.lab.evaluate.plots import FAINT, INK, MAIN, OTHER, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[["Axes"], None]
SIZES, EFFECTS, ROW_COLUMNS = 15, 6, 12
_LONGEST = 34


def sizes(whole: Overall, output: str) -> dict[str, str]:
    """Mean |attribution| of the 15 largest columns."""
    shown = whole.effects[output][:SIZES][::-1]

    def draw(axes: Axes) -> None:
        values = [effect.size.value for effect in shown]
        spread = [
            [effect.size.value - effect.size.low for effect in shown],
            [effect.size.high - effect.size.value for effect in shown],
        ]
        names = [_cut(effect.column) for effect in shown]
        axes.barh(names, values, xerr=spread, color=MAIN, alpha=0.7, ecolor=INK, capsize=2)
        axes.set(xlabel=f"mean size of what it adds, {whole.scale}")
        axes.grid(visible=False, axis="y")

    return {"title": headline(whole, output), "svg": svg(draw, f"sizes {output}", 9.4, 1.0 + 0.24 * len(shown))}


def pushes(whole: Overall, output: str) -> list[dict[str, str]]:
    """How the largest columns push: each row's value against what it adds, or categories."""
    found = []
    for effect in whole.effects[output][:EFFECTS]:
        if not effect.at and not effect.categories:
            continue
        draw = _categories(effect, whole.scale) if effect.categories else _cloud(effect, whole.scale)
        height = 1.2 + 0.3 * len(effect.categories) if effect.categories else 3.0
        found.append(
            {"title": effect_says(effect, whole.scale), "svg": svg(draw, f"{effect.column} of {output}", 4.6, height)}
        )
    return found


def _cloud(effect: Effect, scale: str) -> Draw:
    def draw(axes: Axes) -> None:
        axes.axhline(0, color=FAINT, lw=1)
        axes.scatter([x for x, _ in effect.at], [y for _, y in effect.at], s=9, color=MAIN, alpha=0.45, linewidths=0)
        axes.set(xlabel=_cut(effect.column), ylabel=f"adds to the {scale}")

    return draw


def _categories(effect: Effect, scale: str) -> Draw:
    def draw(axes: Axes) -> None:
        shown = sorted(effect.categories, key=lambda one: one[2])
        colours = [MAIN if mean >= 0 else OTHER for _, _, mean in shown]
        axes.barh(
            [_cut(f"{name} ({rows:,})") for name, rows, _ in shown], [m for _, _, m in shown], color=colours, alpha=0.7
        )
        axes.axvline(0, color=FAINT, lw=1)
        axes.set(xlabel=f"adds to the {scale}, on average (rows)")
        axes.grid(visible=False, axis="y")

    return draw


def curve(found: Dependence, unit: str) -> dict[str, str]:
    """The mean answer over a grid, single rows behind it, and how many rows are near."""
    return {
        "title": dependence_says(found, unit),
        "svg": svg(
            _steps(found, unit) if isinstance(found.grid[0], str) else _line(found, unit), f"curve {found.column}"
        ),
    }


_STYLES = ((MAIN, "-"), (OTHER, "--"), (INK, "-."), (MAIN, ":"), (OTHER, "-"), (INK, "--"))


def _line(found: Dependence, unit: str) -> Draw:
    def draw(axes: Axes) -> None:
        several = len(found.outputs) > 1
        for line in [] if several else found.lines:
            axes.plot(found.grid, line, color=FAINT, lw=0.6, alpha=0.5)
        for (name, points), (colour, style) in zip(found.outputs.items(), _STYLES, strict=False):
            axes.plot(found.grid, [p[0] for p in points], color=colour, ls=style, lw=2.2, label=_cut(name))
            axes.fill_between(found.grid, [p[1] for p in points], [p[2] for p in points], color=colour, alpha=0.2, lw=0)
        low, high = axes.get_ylim()
        tall = max(found.density) or 1.0
        floor = low - 0.16 * (high - low)
        step = float(found.grid[-1] - found.grid[0]) / max(1, len(found.grid) - 1)
        heights = [0.13 * (high - low) * share / tall for share in found.density]
        axes.bar(found.grid, heights, 0.9 * step, bottom=floor, color=FAINT, alpha=0.8)
        axes.set(
            xlabel=f"{_cut(found.column)} (bars: how many rows are there)", ylabel=f"mean {unit}", ylim=(floor, high)
        )
        if several:
            axes.legend()

    return draw


def _steps(found: Dependence, unit: str) -> Draw:
    def draw(axes: Axes) -> None:
        names = [_cut(f"{name} ({100 * share:.0f} %)") for name, share in zip(found.grid, found.density, strict=True)]
        for (name, points), (colour, _) in zip(found.outputs.items(), _STYLES, strict=False):
            spread = [[p[0] - p[1] for p in points], [p[2] - p[0] for p in points]]
            axes.errorbar(
                [p[0] for p in points], names, xerr=spread, fmt="o", ms=6, color=colour, capsize=2, label=_cut(name)
            )
        axes.set(xlabel=f"mean {unit}", ylabel=f"{_cut(found.column)} (share of rows)")
        axes.margins(y=0.15)
        axes.invert_yaxis()
        if len(found.outputs) > 1:
            axes.legend()

    return draw


def waterfall(
    title: str, attributions: dict[str, float], values: dict[str, str], baseline: float, margin: float, scale: str
) -> dict[str, str]:
    """From the baseline to one row's margin, the largest columns first."""
    ranked = sorted(attributions, key=lambda name: -abs(attributions[name]))
    shown = ranked[:ROW_COLUMNS]
    steps = [(_cut(f"{name} = {values.get(name, '')}"), attributions[name]) for name in shown]
    if len(ranked) > len(shown):
        steps.append((f"{len(ranked) - len(shown)} others", sum(attributions[name] for name in ranked[len(shown) :])))

    def draw(axes: Axes) -> None:
        _fall(axes, steps, baseline)
        axes.axvline(baseline, color=FAINT, lw=1, ls="--")
        axes.axvline(margin, color=INK, lw=1, ls=":")
        axes.set(xlabel=f"{scale}: {baseline:.3g} on average (dashed), {margin:.3g} for this row (dotted)")
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")

    return {"title": title, "svg": svg(draw, title, 9.4, 1.1 + 0.28 * len(steps))}


def _fall(axes: Axes, steps: Sequence[tuple[str, float]], baseline: float) -> None:
    at: float = baseline
    for place, (_, add) in enumerate(steps):
        axes.barh(place, add, left=at, color=MAIN if add >= 0 else OTHER, alpha=0.75, height=0.7)
        axes.annotate(f"{add:+.3g}", (at + add, place), xytext=(4 if add >= 0 else -4, 0), textcoords="offset points",
                      va="center", ha="left" if add >= 0 else "right", fontsize=8)  # fmt: skip
        at += add
    axes.set_yticks(range(len(steps)), [name for name, _ in steps])
    # Bars stick to the edge of a plot otherwise, and their figures are cut off.
    axes.use_sticky_edges = False
    axes.margins(x=0.1)


def _cut(text: Any) -> str:
    shown = str(text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
