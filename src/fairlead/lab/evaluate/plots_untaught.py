"""Pictures of groups and of how strange rows are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.lab.evaluate.evidence import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[["Axes"], None]
SHOWN_GROUPS = 40


def wanted_untaught(
    report: Report, roc: Callable[[Any], Draw], precision_recall: Callable[[Any], Draw], colours: tuple[str, str]
) -> list[tuple[str, str, Draw, float, float]]:
    """As `plots._wanted`. colours: of bars, and of lines."""
    found: list[tuple[str, str, Draw, float, float]] = []
    curves = report.curves
    if "scores" in curves:
        says = "Rows right of the line are flagged; the emptier its neighbourhood, the clearer the decision."
        found.append(("How strange rows are", says, _scores(curves["scores"], report.threshold, colours), 4.6, 3.5))
    if curves.get("ranking"):
        found += [
            ("ROC curve", "The further above the diagonal, the better it ranks.", roc(report), 4.6, 3.5),
            (
                "Precision and recall",
                "To find more of them (right), more of those flagged are wrong (down).",
                precision_recall(report), 4.6, 3.5,
            ),
        ]  # fmt: skip
    if "sizes" in curves:
        shown = min(len(curves["sizes"]), SHOWN_GROUPS)
        draw = _sizes(report.classes, curves["sizes"], colours)
        found.append(("Size of the groups", "Rows in each group.", draw, 4.6, 1.0 + 0.22 * shown))
    if report.importance:
        says = "How much the answers change when one column is shuffled. Columns that say the same share this."
        found.append(
            ("What it relies on", says, _relied_on(report, colours), 4.6, 1.0 + 0.22 * min(len(report.importance), 15))
        )
    return found


def _scores(histogram: dict[str, Any], threshold: float, colours: tuple[str, str]) -> Draw:
    def draw(axes: Axes) -> None:
        axes.stairs(histogram["counts"], histogram["edges"], fill=True, color=colours[0], alpha=0.6)
        axes.axvline(threshold, color=colours[1], lw=1.5, label="threshold")
        axes.set(xlabel="score: larger is stranger", ylabel="rows (by tens)")
        axes.set_yscale("symlog", linthresh=1.0)
        # The scale's own labels are formulas, which pages do not read.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.legend()

    return draw


def _sizes(names: tuple[str, ...], sizes: list[int], colours: tuple[str, str]) -> Draw:
    def draw(axes: Axes) -> None:
        largest = sorted(zip(sizes, names, strict=True), reverse=True)[:SHOWN_GROUPS][::-1]
        axes.barh([name for _, name in largest], [size for size, _ in largest], color=colours[0], alpha=0.7)
        axes.set(xlabel="rows", ylabel="group")
        axes.grid(visible=False, axis="y")

    return draw


def _relied_on(report: Report, colours: tuple[str, str]) -> Draw:
    def draw(axes: Axes) -> None:
        shown = report.importance[:15][::-1]
        axes.barh([i.column for i in shown], [i.rise.value for i in shown], color=colours[0], alpha=0.7)
        what = "1 less rank correlation of scores" if report.task == "anomaly" else "share of rows that change group"
        axes.set(xlabel=what)
        axes.grid(visible=False, axis="y")

    return draw
