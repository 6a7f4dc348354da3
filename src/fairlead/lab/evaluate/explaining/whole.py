"""All that is said about how a model comes to its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.lab.evaluate.explaining.dependence import dependences
from fairlead.lab.evaluate.explaining.evidence import Explained
from fairlead.lab.evaluate.explaining.overall import overall
from fairlead.lab.evaluate.explaining.surrogate import surrogate

if TYPE_CHECKING:
    from fairlead.runtime.explain import Explainable, Terms

Progress = Callable[..., None]


def explained(
    explainable: Explainable,
    columns: Mapping[str, Any],
    seed: int = 0,
    terms: Terms | None = None,
    progress: Progress | None = None,
) -> Explained:
    """Overall attributions, dependences of the columns that matter most, and a surrogate, over rows in columns form."""
    tell: Progress = progress or (lambda *_, **__: None)
    model = explainable.model
    tell("attributing rows", done=0.0)
    whole, rows = overall(explainable, columns, seed, terms)
    tell("following single columns", done=0.5)
    curves = dependences(model, rows, ranked(whole.effects), seed)
    tell("growing a tree that imitates it", done=0.9)
    small = surrogate(model, columns, seed)
    return Explained(model.id, model.manifest.name, whole, curves, small, notes_of(explainable, whole.residual))


def ranked(effects: Mapping[str, Any]) -> list[str]:
    """Columns by their largest share of any output; those of no effect are left out."""
    best: dict[str, float] = {}
    for found in effects.values():
        for effect in found:
            best[effect.column] = max(best.get(effect.column, 0.0), effect.share)
    return [name for name, share in sorted(best.items(), key=lambda pair: (-pair[1], pair[0])) if share > 0]


def notes_of(explainable: Explainable, residual: float) -> tuple[str, ...]:
    """What a reader of attributions must know. residual: how far their sums are from the margin."""
    found = [
        "Attributions compare each row with the bundle's background: synthetic rows whose columns are drawn "
        "independently of each other. They say what the model did, not what causes the outcome.",
        "Columns that say nearly the same share what they contribute, in a way that depends on the model's choice.",
    ]
    if getattr(explainable.model.tail, "uncalibrated", None) is not None:
        found.append(
            "The answer is calibrated after the margin that attributions are about; curves show it calibrated."
        )
    if residual > 1e-6:
        found.append(f"Attributions miss the margin by up to {residual:.2g}: the model's sums are in single precision.")
    return tuple(found)
