"""[preparation]: what no table could make right."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.settings import Settings


def check_preparation(settings: Settings, fail: Callable[..., ConfigInvalid]) -> None:
    """Raises what `fail(key, what, cure)` makes of the first statement that cannot be."""
    stated, model = settings.preparation, settings.model
    if stated == PreparationSettings():
        return
    if settings.train.entrypoint is not None:
        plain = PreparationSettings()
        first = next(n for n in stated.__struct_fields__ if getattr(stated, n) != getattr(plain, n))
        what = "says nothing to train.entrypoint, which prepares its columns itself."
        raise fail(f"preparation.{first}", what, "Take one of the two out.")
    from fairlead.lab.train.preparing.checking import problem_of

    known = problem_of(stated, model.trust == "native", supervised=model.task in ("classification", "regression"))
    if known is not None:
        raise fail(f"preparation.{known.key}", known.what, known.cure)
    for name in (*stated.columns, *(name for pair in stated.interactions for name in pair)):
        key = f"preparation.columns.{name}" if name in stated.columns else "preparation.interactions"
        if name == model.target:
            raise fail(key, f"{name!r} is the target, which is not prepared.", "Name a feature.")
        if name in model.exclude or name == model.id or (len(model.time_columns) == 1 and name in model.time_columns):
            raise fail(key, f"{name!r} is no feature.", "Name a feature, or take it out of model.exclude.")
