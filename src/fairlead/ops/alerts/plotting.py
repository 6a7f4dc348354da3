"""A small plot of an incident: its figure over the windows, with the limit, as PNG."""

from __future__ import annotations

import io
from datetime import UTC

from fairlead.contract.incidents import Trend

LEAST_POINTS = 2


def picture_of(trend: Trend | None) -> bytes:
    """PNG of about 10 kB; empty for fewer than two points, or where Matplotlib is not installed.

    Drawn without pyplot, whose global state threads must not share.
    """
    if trend is None or len(trend.points) < LEAST_POINTS:
        return b""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return b""
    figure = Figure(figsize=(4.8, 1.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # Matplotlib counts days since the epoch.
    times = [at / 86_400.0 for at, _ in trend.points]
    values = [value for _, value in trend.points]
    axes.plot(times, values, color="#1f5fa8", linewidth=1.5, marker="o", markersize=3)
    if trend.limit is not None:
        axes.axhline(trend.limit, color="#b02a2a", linewidth=1, linestyle="--")
        axes.text(times[0], trend.limit, " limit", color="#b02a2a", fontsize=7, va="bottom")
    if trend.usual is not None:
        axes.axhline(trend.usual, color="#777777", linewidth=1, linestyle=":")
    axes.xaxis_date(UTC)
    axes.set_title(f"{trend.name} ({trend.unit})" if trend.unit else trend.name, fontsize=8, loc="left")
    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", rotation=15)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()
