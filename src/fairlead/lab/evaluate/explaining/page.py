"""Explanations as one page that opens offline, and as JSON."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.lab.evaluate.explaining import pictures
from fairlead.lab.evaluate.explaining.answers import unit
from fairlead.lab.evaluate.explaining.evidence import Explained
from fairlead.lab.evaluate.explaining.words import amount, decision, fidelity_says, share

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model


def render_whole(found: Explained, model: Model) -> str:
    """The page about a whole model."""
    measured = unit(model)
    plain = share if measured in ("probability", "membership") else amount
    outputs = [
        {"name": name, "sizes": pictures.sizes(found.overall, name), "pushes": pictures.pushes(found.overall, name)}
        for name in list(found.overall.effects)[:6]
    ]
    return str(
        _template().render(
            title=f"How {found.model} comes to its answers",
            found=found,
            outputs=outputs,
            curves=[pictures.curve(one, measured) for one in found.dependence],
            fidelity=fidelity_says(found.surrogate) if found.surrogate else "",
            plain=plain,
            unit=measured,
            rows=None,
        )
    )


def render_rows(answer: dict[str, Any], model: str, most: int = 20) -> str:
    """The page about single rows. answer: as `Project.explain` gives it."""
    several = len(answer["of"]) > 1
    shown = []
    for row in range(min(answer["rows"], most)):
        prediction = answer["predictions"][row]
        label = decision(prediction)
        about = label if several and label in answer["of"] else answer["of"][0]
        attributions, baseline, margin = (
            said[about] if several else said
            for said in (answer["attributions"][row], answer["baseline"], answer["margins"][row])
        )
        values = {name: "missing" if value is None else str(value) for name, value in answer["values"][row].items()}
        scale = answer["scale"] if answer["scale"] == "value" else f"{answer['scale']} of {about}"
        title = f"Row {row}: {_row_says(label, attributions, values)}"
        shown.append(pictures.waterfall(title, attributions, values, baseline, margin, scale))
    return str(_template().render(title=f"Why {model} answers so", found=None, rows=shown, answer=answer))


def _row_says(label: Any, attributions: dict[str, float], values: dict[str, str]) -> str:
    shown = label if isinstance(label, str) else amount(float(label)) if isinstance(label, int | float) else str(label)
    ranked = sorted(attributions, key=lambda name: -abs(attributions[name]))[:2]
    causes = " and ".join(f"{name} = {values.get(name, '')}" for name in ranked if attributions[name])
    return f"{shown}, above all by {causes}" if causes else shown


def write_page(text: str, path: str | Path) -> Path:
    """Whole or not at all."""
    from fairlead.lab.evaluate.page import _write

    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    _write(place, text.encode())
    return place


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(
        files("fairlead.lab.evaluate.explaining").joinpath("explanation.html.j2").read_text("utf-8")
    )
