"""The drift report as one page that opens offline: no script, nothing from elsewhere."""

from __future__ import annotations

import os
import tempfile
import time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.lab.tables.drift.report import DriftReport, Moved, Side

WIDTH, HEIGHT = 360.0, 96.0
SHOWN_COLUMNS = 100
MOST_WORDS = 24


def write_page(report: DriftReport, path: Path) -> Path:
    """Write the report as HTML, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(render(report).encode())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def render(report: DriftReport) -> str:
    """The page."""
    return str(
        _template().render(
            report=report,
            plots={m.name: histograms(m) for m in report.columns[:SHOWN_COLUMNS]},
            score_plots={m.name: histograms(m) for m in report.scores},
            shown=SHOWN_COLUMNS,
        )
    )


def histograms(moved: Moved) -> dict[str, Any]:
    """Two histograms over each other: bars (x, width, height before, height now) in pixels, and words under them.

    Bins of a number stand beside one another as wide as each other, for edges follow the reference and lie close where
    its rows do; of words the two dozen most frequent, the others together.
    """
    before, now = _shares(moved.before), _shares(moved.now)
    labels: tuple[str, ...] = moved.labels
    if labels:
        order = np.argsort(-(before + now), kind="stable")
        order = order[(before + now)[order] > 0]
        kept, rest = order[:MOST_WORDS], order[MOST_WORDS:]
        names = [labels[i] for i in kept]
        before, now, apart = before[kept], now[kept], (before[rest].sum(), now[rest].sum())
        if len(rest) and sum(apart) > 0:
            names.append(f"{len(rest)} others")
            before, now = np.append(before, apart[0]), np.append(now, apart[1])
    else:
        names = [_between(moved, i) for i in range(len(before))]
    top = max(float(before.max(initial=0.0)), float(now.max(initial=0.0)), 1e-12)
    width = WIDTH / max(len(before), 1)
    bars = [
        {
            "x": round(i * width, 2), "width": round(max(width - 1.0, 0.5), 2), "name": name,
            "before": round(float(b) / top * HEIGHT, 2), "now": round(float(n) / top * HEIGHT, 2),
            "shares": f"{b:.1%} before, {n:.1%} now",
        }
        for i, (name, b, n) in enumerate(zip(names, before, now, strict=True))
    ]  # fmt: skip
    return {"bars": bars, "ends": _ends(moved, names), "width": WIDTH, "height": HEIGHT}


def _shares(side: Side) -> np.ndarray:
    counts = np.asarray(side.counts, dtype=np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0), dtype=np.float64)


def _between(moved: Moved, at: int) -> str:
    edges = [_value(moved, e) for e in moved.edges]
    if not edges:
        return "every value"
    if at == 0:
        return f"below {edges[0]}"
    return f"from {edges[-1]}" if at >= len(edges) else f"{edges[at - 1]} to {edges[at]}"


def _ends(moved: Moved, names: list[str]) -> tuple[str, str]:
    if moved.labels:
        return (names[0] if names else "", names[-1] if len(names) > 1 else "")
    lows = [s.low for s in (moved.before, moved.now) if s.low is not None]
    highs = [s.high for s in (moved.before, moved.now) if s.high is not None]
    return (_value(moved, min(lows)), _value(moved, max(highs))) if lows and highs else ("", "")


def _value(moved: Moved, value: float) -> str:
    if moved.kind == "time":
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value)) if abs(value) < 1e11 else f"{value:.4g}"
    return f"{value:.4g}"


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["share"] = lambda v: f"{v:.1%}"
    environment.filters["count"] = lambda v: f"{v:,}"
    environment.filters["figure"] = lambda v: "-" if v is None else f"{v:.3f}"
    environment.filters["signed"] = lambda v: "-" if v is None else f"{v:+.2f}"
    environment.filters["p"] = lambda v: "0.001 or less" if v <= 0.001 else f"{v:.3f}"
    return environment.from_string(files("fairlead.lab.tables.drift").joinpath("drift.html.j2").read_text("utf-8"))
