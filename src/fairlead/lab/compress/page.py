"""A certificate as one page that opens offline: what was measured, and everything that was tried, with a plot."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.lab.compress.certificate import Certificate, Tried
from fairlead.lab.evaluate.compressed import PAGE
from fairlead.lab.evaluate.plots import FAINT, INK, MAIN, OTHER, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_TICKS = 2
FIGURES = (
    ("bytes", "bytes", "bytes of the model", "{:,.0f}"),
    ("memory", "memory_mb", "memory of a process, MiB", "{:.2f}"),
    ("latency", "row_us", "one row, µs", "{:.2f}"),
    ("cpu", "cpu_s_per_million", "CPU seconds a million rows", "{:.4f}"),
)


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Write the page into `folder`, whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(render(certificate).encode())
        Path(temporary).chmod(0o644)
        os.replace(temporary, folder / PAGE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / PAGE


def render(certificate: Certificate) -> str:
    """The page."""
    plotted = [one for one in certificate.tried if one.bytes is not None and one.difference is not None]
    plot = svg(_draw(plotted, certificate), "Bytes and loss of what was tried", 7.5, 3.8) if plotted else ""
    return str(
        _template().render(
            made=certificate, figures=_figures(certificate), plot=plot, unplotted=len(certificate.tried) - len(plotted)
        )
    )


def _figures(made: Certificate) -> list[dict[str, str]]:
    found = []
    for name, key, text, form in FIGURES:
        spread = made.spread.get(name)
        found.append(
            {
                "text": text,
                "before": form.format(getattr(made.before, key)),
                "after": form.format(getattr(made.after, key)),
                "left": f"{made.share[name]:.0%}",
                "spread": "" if spread is None else f"{spread[0]:.0%} to {spread[1]:.0%}",
            }
        )
    return found


def _draw(plotted: list[Tried], made: Certificate) -> Any:
    def draw(axes: Axes) -> None:
        for one in plotted:
            assert one.difference is not None
            assert one.bytes is not None
            value, colour = one.difference, OTHER if one.chosen else MAIN
            below, above = max(value.value - value.low, 0.0), max(value.high - value.value, 0.0)
            axes.errorbar(
                [one.bytes], [value.value], yerr=[[below], [above]], fmt="o", color=colour, capsize=2, markersize=5,
                markerfacecolor=colour if one.chosen else "none", zorder=3 if one.chosen else 2,
            )  # fmt: skip
        axes.plot([made.before.bytes], [0.0], marker="s", color=INK, linestyle="none")
        axes.annotate("as it was", (made.before.bytes, 0.0), xytext=(-6, 6), textcoords="offset points", ha="right")
        axes.axhline(made.max_loss, color=FAINT, linewidth=1.0)
        axes.annotate(
            "allowed", (1.0, made.max_loss), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", ha="right",
        )  # fmt: skip
        axes.set_xscale("log")
        sizes = [made.before.bytes, *(one.bytes for one in plotted if one.bytes is not None)]
        axes.set_xticks(ticks(min(sizes), max(sizes)), minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
        axes.set_xlabel("bytes of the compiled model")
        axes.set_ylabel("mean loss more than before")

    return draw


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, for an axis by powers: 1, 2 and 5 times a power of ten, more where few fit."""
    powers = range(int(np.floor(np.log10(max(low, 1.0)))), int(np.ceil(np.log10(max(high, 1.0)))) + 1)
    for steps in ((1, 2, 5), range(1, 10)):
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(found) >= FEWEST_TICKS:
            return found
    return [float(low), float(high)]


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["signed"] = lambda value: f"{value:+.4f}"
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment.from_string(files("fairlead.lab.compress").joinpath("compress.html.j2").read_text("utf-8"))
