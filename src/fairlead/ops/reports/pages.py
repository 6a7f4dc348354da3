"""Reports as pages that open offline, and as JSON beside them: no script, nothing from elsewhere."""

from __future__ import annotations

import os
import re
import tempfile
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fairlead.contract.incidents import GRAVITY
from fairlead.ops.reports.drawing import Curve, curve, ends, histograms
from fairlead.ops.reports.incident import IncidentReport
from fairlead.ops.reports.window import ColumnView, Point, WindowReport

SHOWN_COLUMNS = 60
MOST_CURVES = 4
FIRST = ("loss", "mae", "roc_auc", "accuracy", "brier", "rmse", "log_loss", "r2")
"""Metrics of which curves are shown before others."""


def write(report: WindowReport | IncidentReport, stem: Path) -> Path:
    """Write `stem`.json and `stem`.html, each whole or not at all; returns the page's path. Raises OSError."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    put(stem.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(report), indent=1))
    page = stem.with_suffix(".html")
    put(page, render(report).encode())
    return page


def render(report: WindowReport | IncidentReport) -> str:
    """The page."""
    environment = environment_of(report.zone)
    if isinstance(report, WindowReport):
        loud = [f for f in report.findings if f.severity != "info"]
        worst = max((f.severity for f in loud), key=lambda s: GRAVITY[s], default="")
        rest = [f for f in report.findings if f.severity == "info"]
        more = {"loud": loud, "quiet": rest, "worst": worst, "curves": _window_curves(report)}
        name = "window.html.j2"
    else:
        more = {"curves": _incident_curves(report)}
        name = "incident.html.j2"
    return str(environment.get_template(name).render(report=report, shown=SHOWN_COLUMNS, **more))


def _window_curves(report: WindowReport) -> list[dict[str, str]]:
    usual = {m.name: m.usual for m in report.metrics if not m.estimated}
    here = (report.window.start,)
    found = [Curve("rows", tuple((p.start, float(p.rows)) for p in report.trend), marked=here)]
    for name in _metrics(report.trend)[: MOST_CURVES - 1]:
        points = tuple((p.start, p.metrics.get(name)) for p in report.trend)
        limit = None
        found.append(Curve(name, points, limit, report.promised if name == "loss" else usual.get(name), here))
    return _drawn(found, report.zone)


def _incident_curves(report: IncidentReport) -> list[dict[str, str]]:
    incident = report.view.incident
    marked = tuple(at for at in (incident.first or incident.since, incident.ended) if at is not None)
    found = []
    if incident.trend is not None:
        told = incident.trend
        title = f"{told.name} ({told.unit})" if told.unit else told.name
        found.append(Curve(title, told.points, told.limit, told.usual, marked))
    told_already = incident.trend is not None and incident.trend.name == "mean loss"
    for name in [n for n in _metrics(report.trend) if n != "loss" or not told_already][: MOST_CURVES - 1]:
        found.append(Curve(name, tuple((p.start, p.metrics.get(name)) for p in report.trend), marked=marked))
    return _drawn(found, report.zone)


def _metrics(trend: tuple[Point, ...]) -> list[str]:
    there = {name for point in trend for name in point.metrics}
    return [name for name in FIRST if name in there]


def _drawn(curves: list[Curve], zone: str) -> list[dict[str, str]]:
    from markupsafe import Markup

    drawn = [(one.title, curve(one, ZoneInfo(zone))) for one in curves]
    # What is drawn is made here of numbers and escaped words.
    return [{"title": title, "svg": Markup(svg)} for title, svg in drawn if svg]  # noqa: S704


@cache
def environment_of(zone: str) -> Any:
    """The templates of this room, with times in `zone`."""
    import jinja2
    from markupsafe import Markup

    folder = files("fairlead.ops.reports")
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8"))
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader, undefined=jinja2.StrictUndefined
    )
    there = ZoneInfo(zone)
    environment.filters["moment"] = lambda at: f"{datetime.fromtimestamp(at, there):%Y-%m-%d %H:%M}"
    environment.filters["figure"] = figure
    environment.filters["coded"] = coded
    environment.filters["signed"] = lambda value: "-" if value is None else f"{value:+.4g}"
    environment.filters["share"] = lambda value: f"{value:.1%}"
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    environment.globals["histograms"] = lambda column: Markup(histograms(column))  # noqa: S704
    environment.globals["ends"] = ends
    environment.globals["facts"] = facts
    return environment


def figure(value: float | None) -> str:
    """Four digits; what is nothing but rounding is 0."""
    if value is None:
        return "-"
    return "0" if abs(value) < 1e-12 else f"{value:.4g}"


def coded(text: str) -> Any:
    """A sentence for a page: what it sets in backticks, as commands, set as code; all else escaped."""
    from markupsafe import Markup, escape

    # What is left of the words once they are escaped holds no mark of its own.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def facts(column: ColumnView) -> str:
    """What stands under a column's histograms."""
    told = []
    if column.mean is not None and column.mean_before is not None and column.kind != "time":
        told.append(f"mean {figure(column.mean)}, was {figure(column.mean_before)}")
    if column.missing or column.missing_before:
        told.append(f"missing {column.missing:.1%}, was {column.missing_before:.1%}")
    if column.distance is not None:
        limit = f", alarm from {figure(column.limit)}" if column.limit is not None else ""
        told.append(f"distance {figure(column.distance)}{limit}")
    return "; ".join(told)


def put(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
