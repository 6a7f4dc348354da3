"""A page about what a model reached: estimates and labels over time, development against live. Opens offline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Answer = Mapping[str, Any]


def write_performance(answer: Answer, folder: Path) -> Path:
    """Write `performance.json` and `performance.html` of what `fairlead performance` tells; returns the page's path.

    Raises OSError.
    """
    from fairlead.ops.reports.pages import put

    folder.mkdir(parents=True, exist_ok=True)
    put(folder / "performance.json", msgspec.json.format(msgspec.json.encode(answer), indent=1))
    page = folder / "performance.html"
    put(page, rendered(answer).encode())
    return page


def rendered(answer: Answer) -> str:
    """The page."""
    from fairlead.ops.reports.pages import environment_of

    metric = answer["metric"]
    return str(
        environment_of("UTC")
        .get_template("performance.html.j2")
        .render(
            a=answer, plots=_plots(answer), record=answer["record"].get(metric),
            correlation=answer["correlation"].get(metric),
        )
    )  # fmt: skip


def _plots(answer: Answer) -> list[dict[str, Any]]:
    from markupsafe import Markup

    from fairlead.lab.evaluate.plots import svg

    metric = answer["metric"]
    found = []
    if len(answer["windows"]) > 1:
        found.append((
            "Before and with labels", "The band is what was estimated before labels came, with its 95 % interval; "
            "points are what labels showed, hollow ones of labels that do not speak for every row.",
            lambda axes: _over_time(axes, answer, metric), 9.6, 3.6,
        ))  # fmt: skip
    both = [v for v in answer["versions"] if metric in v["offline"] and metric in v["live"]]
    if both:
        found.append((
            "Development against live", "Each version: its report across, what it reached live up, with 95 % "
            "intervals. On the line a report told the truth.", lambda axes: _against(axes, both, metric), 4.8, 3.8,
        ))  # fmt: skip
    # What is drawn is made here of numbers and escaped words.
    return [
        {"title": title, "says": says, "svg": Markup(svg(draw, title, wide, tall))}  # noqa: S704
        for title, says, draw, wide, tall in found
    ]


def _over_time(axes: Axes, answer: Answer, metric: str) -> None:
    from fairlead.lab.evaluate.plots import INK, MAIN, OTHER

    windows = answer["windows"]
    at = np.asarray([datetime.fromtimestamp(w["start"], UTC).replace(tzinfo=None) for w in windows])
    nothing = {"value": np.nan, "low": np.nan, "high": np.nan}
    told = [w["estimated"].get(metric, nothing) for w in windows]
    axes.fill_between(at, [t["low"] for t in told], [t["high"] for t in told], color=OTHER, alpha=0.25, linewidth=0)
    axes.plot(at, [t["value"] for t in told], color=OTHER, linewidth=1.2, label="estimated")
    for hollow, colour in ((False, MAIN), (True, INK)):
        for place, window in enumerate(windows):
            moment = at[[place]]
            shown = (window["revised"][-1]["metrics"] if window["revised"] else window["realised"]).get(metric)
            if shown is not None and (window["how"] != "as labelled") == hollow:
                axes.plot(at[[place, place]], [shown["low"], shown["high"]], color=colour, linewidth=1.0)
                axes.plot(
                    moment, shown["value"], "o", color=colour, markersize=4, fillstyle="none" if hollow else "full"
                )
    axes.set_ylabel(metric)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=8)


def _against(axes: Axes, versions: list[Answer], metric: str) -> None:
    from fairlead.lab.evaluate.plots import FAINT, INK, MAIN

    every = []
    for version in versions:
        x, y = version["offline"][metric], version["live"][metric]
        colour = INK if version["shadow"] else MAIN
        axes.plot([x["low"], x["high"]], [y["value"], y["value"]], color=colour, linewidth=1.0)
        axes.plot([x["value"], x["value"]], [y["low"], y["high"]], color=colour, linewidth=1.0)
        axes.plot(x["value"], y["value"], "o", color=colour, markersize=5)
        name = str(version["version"] or version["bundle"][:8])
        axes.annotate(name, (x["value"], y["value"]), textcoords="offset points", xytext=(6, 4), color=INK)
        every += [x["low"], x["high"], y["low"], y["high"]]
    axes.plot([min(every), max(every)], [min(every), max(every)], color=FAINT, linewidth=0.8, linestyle=":")
    axes.set_xlabel(f"{metric} in its report")
    axes.set_ylabel(f"{metric} live")
