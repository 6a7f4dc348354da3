"""`write_report`: the evidence as one page that opens offline, and as JSON."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.evidence import Verdict
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.explaining.section import section
from fairlead.lab.evaluate.fairness import MEANING as MEASURES
from fairlead.lab.evaluate.plots import plots_of
from fairlead.lab.evaluate.words import MEANING, headline, moment, number, summary
from fairlead.lab.stats.further import LOWER_IS_BETTER


class Written(msgspec.Struct, frozen=True):
    """What `report.json` holds; its schema is docs/reference/report.schema.json."""

    report: Report
    verdict: Verdict


def report_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `report.json`."""
    found = msgspec.json.schema(Written)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Evidence about a sealed bundle, and the verdict on it",
        **found,
    }


def write_report(report: Report, verdict: Verdict, folder: str | Path) -> Path:
    """Write `report.html` and `report.json` into `folder` and return the page's path.

    The page needs nothing but itself: styles and plots are inside, there is no script. Raises OSError.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    told = msgspec.json.encode(Written(report, verdict))
    _write(place / "report.json", msgspec.json.format(told, indent=1))
    page = place / "report.html"
    _write(page, render(report, verdict).encode())
    return page


def render(report: Report, verdict: Verdict) -> str:
    """The page."""
    return str(
        _template().render(
            report=report,
            verdict=verdict,
            headline=headline(report, verdict),
            summary=summary(report, verdict),
            plots=plots_of(report),
            meaning=MEANING,
            measures=MEASURES,
            lower=LOWER_IS_BETTER,
            thresholds=report.curves.get("thresholds", [])[1::2],
            confusion=_confusion(report),
            explained=section(report.explanation, report.task),
        )
    )


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_part),
    )  # fmt: skip
    environment.filters["number"] = number
    environment.filters["moment"] = moment
    environment.filters["range"] = lambda found: f"{number(found.low)} – {number(found.high)}"
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["answer"] = lambda told: number(told) if isinstance(told, float) else str(told)
    environment.filters["signed"] = lambda value: ("+" if value > 0 else "") + number(value)
    return environment.from_string(files("fairlead.lab.evaluate").joinpath("report.html.j2").read_text("utf-8"))


def _part(name: str) -> str:
    """A part of the page, by the name it is included under."""
    return files("fairlead.lab.evaluate").joinpath("parts", name).read_text("utf-8")


def _confusion(report: Report) -> list[dict[str, Any]]:
    lines = []
    for name, counts in zip(report.classes, report.curves.get("confusion", []), strict=False):
        total = sum(counts)
        lines.append({"class": name, "cells": [(c, c / total if total else 0.0) for c in counts], "rows": total})
    return lines


def _write(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
