"""The report as one page that opens offline: no script, nothing from elsewhere."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fairlead.lab.tables.quality.report import ORDER

BAR = 320.0  # pixels of a whole


def write_page(answer: dict[str, Any], path: Path) -> Path:
    """Write what `Project.quality` answers as HTML, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(render(answer).encode())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def render(answer: dict[str, Any]) -> str:
    """The page."""
    issues = answer["issues"]
    counts = {s: sum(i["severity"] == s for i in issues) for s in ORDER}
    return str(
        _template().render(
            report=answer,
            counts=counts,
            headline=_headline(counts),
            against=answer.get("against"),
            suspects=answer.get("suspects"),
            bar=BAR,
        )
    )


def _headline(counts: dict[str, int]) -> str:
    if counts["problem"]:
        n = counts["problem"]
        return f"{n} {'problems' if n > 1 else 'problem'} to solve before a model learns from this table."
    if counts["warning"]:
        n = counts["warning"]
        return f"No problem found, {n} {'things' if n > 1 else 'thing'} to look at."
    return "Nothing found that stands in the way of learning from this table."


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.ChainableUndefined
    )
    environment.filters["share"] = lambda v: f"{v:.1%}"
    environment.filters["count"] = lambda v: f"{v:,}"
    return environment.from_string(files("fairlead.lab.tables.quality").joinpath("quality.html.j2").read_text("utf-8"))
