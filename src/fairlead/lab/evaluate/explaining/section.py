"""The report's part about how the model comes to its answers: what the template is given."""

from __future__ import annotations

from typing import Any

from fairlead.lab.evaluate.explaining.reported import ExampleRow, Explanations
from fairlead.lab.evaluate.explaining.small_pictures import small_curve
from fairlead.lab.evaluate.explaining.words import amount, effect_says, fidelity_says, headline, share

SHOWN, OUTPUTS, LEAVES = 12, 3, 8
UNITS = {"classification": "probability", "clustering": "membership", "anomaly": "score"}
SAYS = {
    "typical": "its answer is in the middle of all answers",
    "borderline": "hardly anything would turn its decision",
    "most wrong": "it lost more than on any other",
}


def section(found: Explanations | None, task: str) -> dict[str, Any] | None:
    """None where there is nothing to tell."""
    if found is None:
        return None
    if found.whole is None:
        return {"why": found.why, "outputs": [], "curves": [], "rows": [], "surrogate": None, "notes": ()}
    whole, unit = found.whole, UNITS.get(task, "value")
    return {
        "why": found.why,
        "method": whole.overall.said,
        "rows_explained": whole.overall.rows,
        "scale": whole.overall.scale,
        "outputs": [_output(whole.overall, name) for name in list(whole.overall.effects)[:OUTPUTS]],
        "curves": [small_curve(one, unit) for one in whole.dependence],
        "surrogate": _surrogate(whole.surrogate, unit),
        "rows": [_row(one) for one in found.rows],
        "notes": whole.notes,
    }


def _output(whole: Any, name: str) -> dict[str, Any]:
    effects = [effect for effect in whole.effects[name] if effect.share > 0]
    widest = max((effect.size.high for effect in effects), default=0.0) or 1.0
    lines = [
        {
            "column": effect.column,
            "size": effect.size,
            "share": effect.share,
            "bar": 100.0 * effect.size.value / widest,
            "says": effect_says(effect, whole.scale),
        }
        for effect in effects[:SHOWN]
    ]
    return {"name": name, "headline": headline(whole, name), "lines": lines, "more": len(effects) - len(lines)}


def _surrogate(small: Any, unit: str) -> dict[str, Any] | None:
    if small is None:
        return None
    plain = share if unit in ("probability", "membership") else amount
    leaves = [
        {"rule": " and ".join(leaf.rule) or "always", "answer": plain(leaf.answer), "rows": leaf.rows}
        for leaf in small.leaves[:LEAVES]
    ]
    return {"says": fidelity_says(small), "fidelity": small.fidelity, "leaves": leaves, "output": small.output}


def _row(one: ExampleRow) -> dict[str, Any]:
    widest = max((abs(part.adds) for part in one.parts), default=0.0) or 1.0
    told = [(part.column, part.value, part.adds) for part in one.parts]
    if one.others:
        told.append(("all others", "", one.others))
        widest = max(widest, abs(one.others))
    return {
        "which": one.which,
        "says": SAYS[one.which],
        "row": one,
        "lines": [
            {
                "column": column,
                "value": "missing" if value is None else value,
                "adds": adds,
                "bar": 50.0 * abs(adds) / widest,
                "up": adds >= 0,
            }
            for column, value, adds in told
        ],
    }
