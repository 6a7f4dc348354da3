"""Metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0, from the same samples.

Sources: prometheus.io/docs/instrumenting/exposition_formats, the OpenMetrics specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram", "summary"]
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Family(msgspec.Struct, frozen=True):
    """What a metric is: its type, what it means, and its labels in order."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Page:
    """Samples of one family must be added one after the other; a family without samples is not on the page."""

    def __init__(self, families: Mapping[str, Family], open_metrics: bool = False) -> None:
        self._families, self._open = families, open_metrics
        self._lines: list[str] = []
        self._current = ""

    def add(self, name: str, values: Sequence[str], number: float) -> None:
        """One sample of a counter or gauge; `values` are those of the family's labels."""
        self._lines.append(_line(name, _said(self._begin(name).labels, values), number))

    def histogram(self, name: str, values: Sequence[str], cells: Sequence[float], buckets: Sequence[float]) -> None:
        """cells: one a bucket, one above them all, the sum."""
        said = _said(self._begin(name).labels, values)
        lead = f"{name}_bucket{{{said}," if said else f"{name}_bucket{{"
        running, lines = 0.0, self._lines
        for cell, edge in zip(cells, (*map(repr, buckets), "+Inf"), strict=False):
            running += cell
            lines.append(f'{lead}le="{edge}"}} {_number(running)}')
        lines.append(_line(f"{name}_sum", said, cells[len(buckets) + 1]))
        lines.append(_line(f"{name}_count", said, running))

    def summary(self, name: str, values: Sequence[str], total: float, count: float) -> None:
        """A sum and a count, without quantiles."""
        said = _said(self._begin(name).labels, values)
        self._lines.append(_line(f"{name}_sum", said, total))
        self._lines.append(_line(f"{name}_count", said, count))

    def bytes(self) -> bytes:
        """The page."""
        return ("\n".join([*self._lines, "# EOF" if self._open else ""]).rstrip("\n") + "\n").encode()

    def _begin(self, name: str) -> Family:
        family = self._families[name]
        if name != self._current:
            self._current = name
            shown = name.removesuffix("_total") if self._open and family.kind == "counter" else name
            text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            self._lines.append(f"# HELP {shown} {text}")
            self._lines.append(f"# TYPE {shown} {family.kind}")
        return family


def wants_open_metrics(accept: str) -> bool:
    """Whether a scraper that sends this `Accept` prefers OpenMetrics to the text format."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(",")[:32]:
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            quality = float(weight)
        except ValueError:
            quality = 0.0
        if kind in best:
            best[kind] = max(best[kind], quality)
    return best["application/openmetrics-text"] > 0 and best["application/openmetrics-text"] >= best["text/plain"]


def _said(names: Sequence[str], values: Sequence[str]) -> str:
    """Labels and their values, without the braces."""
    return ",".join([f'{label}="{_quoted(value)}"' for label, value in zip(names, values, strict=True)])


def _quoted(text: str) -> str:
    if text.isalnum():
        return text
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(number: float) -> str:
    # Counts are whole and many; what is too large to be exact keeps its exponent.
    return str(int(number)) if -1e15 < number < 1e15 and number == int(number) else f"{number:.17g}"


def _line(name: str, said: str, number: float) -> str:
    return f"{name}{{{said}}} {_number(number)}" if said else f"{name} {_number(number)}"
