"""Plots as SVG that takes its colours from the page: readable in light and in dark, no script, no font file."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.plots_forecasts import wanted_forecasts
from fairlead.lab.evaluate.plots_ranking import wanted_ranking
from fairlead.lab.evaluate.plots_settled import wanted_settled
from fairlead.lab.evaluate.plots_untaught import wanted_untaught

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Drawn in these and then named: the page says what they look like.
INK, FAINT, MAIN, OTHER = "#010203", "#040506", "#070809", "#0a0b0c"
_NAMED = {INK: "var(--ink)", FAINT: "var(--faint)", MAIN: "var(--main)", OTHER: "var(--other)"}
SHOWN_COLUMNS = 15
MOST_CURVES = 5

Draw = Callable[["Axes"], None]


def plots_of(report: Report) -> list[dict[str, str]]:
    """title, what it says in a sentence, and the SVG, in reading order."""
    return [
        {"title": title, "says": says, "svg": svg(draw, title, width, height)}
        for title, says, draw, width, height in _wanted(report)
    ]


def svg(draw: Draw, title: str, width: float = 4.6, height: float = 3.5) -> str:
    """One figure, sizes in inches. Same input, same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Names of columns and classes are drawn as they are: a dollar sign starts no formula.
    rules: Any = {
        "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "fairlead",
        "font.family": "sans-serif", "font.size": 9, "legend.frameon": False, "axes.facecolor": "none",
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": FAINT, "grid.alpha": 0.35, "grid.linewidth": 0.5,
    }  # fmt: skip
    with mpl.rc_context(rules), warnings.catch_warnings():
        # Text stays text in the SVG, so the reader's fonts draw it, whatever matplotlib's own can.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids of several figures meet in one page, and each refers to its own.
    mark = re.sub(r"\W+", "-", title.lower())
    text = re.sub(r'\bid="([^"]+)"', rf'id="{mark}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{mark}-", text)
    for colour, name in _NAMED.items():
        text = text.replace(colour, name)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


def _wanted(report: Report) -> list[tuple[str, str, Draw, float, float]]:
    found: list[tuple[str, str, Draw, float, float]] = []
    curves = report.curves
    if report.task in UNSUPERVISED:
        return wanted_untaught(report, _roc, _precision_recall, (MAIN, OTHER))
    found += wanted_forecasts(report, (INK, FAINT, MAIN, OTHER))
    found += wanted_ranking(report, (INK, FAINT, MAIN, OTHER))
    if curves.get("ranking"):
        found += [
            ("ROC curve", "The further above the diagonal, the better it ranks.", _roc(report), 4.6, 3.5),
            (
                "Precision and recall",
                "To find more of them (right), more of those flagged are wrong (down).",
                _precision_recall(report), 4.6, 3.5,
            ),
            (
                "Calibration",
                "On the diagonal, what it calls 30 % happens in 30 of 100 cases.",
                _calibration(curves["calibration"]), 4.6, 3.5,
            ),
        ]  # fmt: skip
    if "separation" in curves:
        found.append(
            ("Scores", "The less the two overlap, the clearer its answers.", _separation(report), 4.6, 3.5)
        )  # fmt: skip
    if "thresholds" in curves:
        found.append(("Threshold", "What moving the decision threshold would change.", _thresholds(report), 4.6, 3.5))
    found += wanted_settled(report, (INK, FAINT, MAIN, OTHER))
    if "residuals" in curves:
        found += [
            ("Predicted and true", "On the diagonal the answer is right.", _dots(curves["residuals"]), 4.6, 3.5),
            ("Errors", "Left of 0 it said too little, right of 0 too much.", _errors(curves["residuals"]), 4.6, 3.5),
            (
                "Error by size of the answer",
                "Whether large answers are as good as small ones.",
                _by_size(curves["residuals"]), 4.6, 3.5,
            ),
        ]  # fmt: skip
    if report.importance:
        shown = min(len(report.importance), SHOWN_COLUMNS)
        says = "How much worse it gets when one column is shuffled. Columns that say the same share their importance."
        found.append(("What it relies on", says, _importance(report), 4.6, 1.0 + 0.22 * shown))
    if len(report.windows) > 1:
        found.append(("Over time", "Mean loss of each window; lower is better.", _windows(report), 9.4, 3.0))
    return found


def _roc(report: Report) -> Draw:
    ranking, area = report.curves["ranking"], report.metrics.get("roc_auc")

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--")
        for curve, style in _styled(ranking):
            axes.plot(curve["fpr"], curve["tpr"], label=curve["class"], **style)
        axes.set(xlabel="false alarms among the others", ylabel="found", xlim=(0, 1), ylim=(0, 1.01))
        _note(axes, 0.62, 0.56, "by chance", rotation=37)
        if area is not None and len(ranking) == 1:
            _note(axes, 0.97, 0.06, f"area {area.value:.3f} ({area.low:.3f} to {area.high:.3f})", right=True)
        _legend(axes, ranking)

    return draw


def _precision_recall(report: Report) -> Draw:
    ranking, gains = report.curves["ranking"], report.curves.get("gains")

    def draw(axes: Axes) -> None:
        for curve, style in _styled(ranking):
            # Without a row that is flagged there is nothing to be right about: the curve begins at the first.
            axes.plot(curve["tpr"][1:], curve["precision"][1:], label=curve["class"], **style)
        axes.set(xlabel="recall: share found", ylabel="precision: share right", xlim=(0, 1), ylim=(0, 1.01))
        if gains:
            axes.axhline(gains["events"], color=FAINT, lw=1, ls="--")
            _note(axes, 0.02, gains["events"] + 0.02, "by chance")
        _legend(axes, ranking)

    return draw


def _note(axes: Axes, x: float, y: float, text: str, *, right: bool = False, rotation: float = 0.0) -> None:
    """Words within a plot, where they belong to a line or a region; in shares of the axes."""
    axes.text(
        x, y, text, transform=axes.transAxes, fontsize=8, color=INK, alpha=0.75, rotation=rotation,
        ha="right" if right else "left", va="bottom",
    )  # fmt: skip


def _calibration(calibration: list[dict[str, Any]]) -> Draw:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--")
        for curve, style in _styled(calibration):
            bins = curve["bins"]
            said, happened = [b["said"] for b in bins], [b["happened"] for b in bins]
            spread = [[b["happened"] - b["low"] for b in bins], [b["high"] - b["happened"] for b in bins]]
            axes.errorbar(said, happened, yerr=spread, marker="o", ms=4, capsize=2, label=curve["class"], **style)
        axes.set(xlabel="probability it said", ylabel="share that happened", xlim=(0, 1), ylim=(0, 1))
        _note(axes, 0.03, 0.9, "it says too little")
        _note(axes, 0.97, 0.05, "it says too much", right=True)
        _legend(axes, calibration)

    return draw


def _separation(report: Report) -> Draw:
    def draw(axes: Axes) -> None:
        found = report.curves["separation"]
        centres = [(i + 0.5) / len(found["not"]) for i in range(len(found["not"]))]
        width = 1 / len(centres)
        axes.bar(centres, found["not"], width, color=OTHER, alpha=0.55, label=f"not {report.positive}")
        axes.bar(centres, found["happened"], width, color=MAIN, alpha=0.55, label=str(report.positive))
        axes.axvline(report.threshold, color=INK, lw=1, ls=":")
        axes.set(xlabel=f"probability of {report.positive}", ylabel="share of rows", xlim=(0, 1))
        _note(axes, min(report.threshold + 0.01, 0.85), 0.93, "flagged \u2192")
        axes.legend()

    return draw


def _thresholds(report: Report) -> Draw:
    def draw(axes: Axes) -> None:
        rows = report.curves["thresholds"]
        at = [r["threshold"] for r in rows]
        # Where nothing is flagged there is nothing to be right about.
        right = [r["precision"] if r["flagged"] > 0 else float("nan") for r in rows]
        axes.plot(at, right, color=MAIN, label="precision")
        axes.plot(at, [r["recall"] for r in rows], color=OTHER, label="recall")
        axes.plot(at, [r["flagged"] for r in rows], color=FAINT, label="share flagged")
        axes.axvline(report.threshold, color=INK, lw=1, ls=":")
        axes.set(xlabel="decision threshold", xlim=(0, 1), ylim=(0, 1.01))
        _note(axes, min(report.threshold + 0.01, 0.9), 0.02, "now")
        axes.legend()

    return draw


def _dots(residuals: dict[str, Any]) -> Draw:
    def draw(axes: Axes) -> None:
        both = [*residuals["truth"], *residuals["predicted"]]
        ends = [min(both), max(both)]
        axes.plot(ends, ends, color=FAINT, lw=1, ls="--")
        axes.scatter(residuals["truth"], residuals["predicted"], s=8, color=MAIN, alpha=0.4, linewidths=0)
        axes.set(xlabel="true", ylabel="predicted")
        _note(axes, 0.03, 0.92, "it says too much")
        _note(axes, 0.97, 0.05, "it says too little", right=True)

    return draw


def _errors(residuals: dict[str, Any]) -> Draw:
    def draw(axes: Axes) -> None:
        axes.stairs(residuals["counts"], residuals["edges"], fill=True, color=MAIN, alpha=0.6)
        axes.axvline(0, color=INK, lw=1, ls=":")
        axes.set(xlabel="predicted less true", ylabel="rows")

    return draw


def _by_size(residuals: dict[str, Any]) -> Draw:
    def draw(axes: Axes) -> None:
        parts = residuals["by_size"]
        at = [p["predicted"] for p in parts]
        axes.axhline(0, color=FAINT, lw=1)
        axes.plot(at, [p["absolute"] for p in parts], color=MAIN, marker="o", ms=4, label="mean size of the error")
        axes.plot(at, [p["error"] for p in parts], color=OTHER, marker="o", ms=4, label="mean error")
        axes.set(xlabel="predicted")
        axes.legend()

    return draw


def _importance(report: Report) -> Draw:
    def draw(axes: Axes) -> None:
        shown = report.importance[:SHOWN_COLUMNS][::-1]
        rise = [i.rise.value for i in shown]
        spread = [[i.rise.value - i.rise.low for i in shown], [i.rise.high - i.rise.value for i in shown]]
        axes.barh([i.column for i in shown], rise, xerr=spread, color=MAIN, alpha=0.7, ecolor=INK, capsize=2)
        axes.set(xlabel="rise of the mean loss")
        axes.grid(visible=False, axis="y")

    return draw


def _windows(report: Report) -> Draw:
    def draw(axes: Axes) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        at = [datetime.fromtimestamp(w["start"], UTC) for w in report.windows]
        axes.plot(at, [w["loss"] for w in report.windows], color=MAIN, marker="o", ms=4, label="model")  # type: ignore[arg-type]
        for base in report.baselines[:1]:
            axes.axhline(base.loss, color=OTHER, lw=1, ls="--", label=base.name)
        ticks = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(ticks)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(ticks))  # type: ignore[no-untyped-call]
        axes.set(ylabel="mean loss", ylim=(0, None))
        axes.legend()

    return draw


def _styled(curves: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    lines = ("-", "--", "-.", ":", "-")
    return [
        (curve, {"color": (MAIN, OTHER, INK, MAIN, OTHER)[i], "ls": lines[i], "lw": 1.8})
        for i, curve in enumerate(curves[:MOST_CURVES])
    ]


def _legend(axes: Axes, curves: list[Any]) -> None:
    if len(curves) > 1:
        axes.legend()
