"""`write_rehearsal`: the rehearsal as one page that opens offline, and as JSON."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from fairlead.ops.rehearse.results import Rehearsal


def write_rehearsal(rehearsal: Rehearsal, folder: str | Path) -> Path:
    """Write `report.html` and `report.json` into `folder`; returns the page's path.

    The page needs nothing but itself: styles and plots are inside, there is no script. Raises OSError.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    _write(place / "report.json", msgspec.json.format(msgspec.json.encode(rehearsal), indent=1))
    page = place / "report.html"
    _write(page, render(rehearsal).encode())
    return page


def render(rehearsal: Rehearsal) -> str:
    """The page."""
    from fairlead.ops.rehearse.plots import plots_of

    names = list(dict.fromkeys(name for p in rehearsal.policies for name in p.metrics))
    return str(_template().render(r=rehearsal, plots=plots_of(rehearsal), metrics=names))


@cache
def _template() -> Any:
    import jinja2

    from fairlead.lab.evaluate.words import moment, number
    from fairlead.ops.reports.pages import coded

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    environment.filters["moment"] = moment
    environment.filters["coded"] = coded
    return environment.from_string(files("fairlead.ops.rehearse").joinpath("report.html.j2").read_text("utf-8"))


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
