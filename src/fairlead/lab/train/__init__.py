"""From rows to a candidate: prepare, search, cross-validate, choose, fit.

Names are looked up when they are first used; pandas, sklearn and optuna load with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.train.adopting import candidate_of as candidate_of
    from fairlead.lab.train.adopting import entrypoint_of as entrypoint_of
    from fairlead.lab.train.fitting import fit as fit
    from fairlead.lab.train.fitting import fit_once as fit_once
    from fairlead.lab.train.fitting import score_pipeline as score_pipeline
    from fairlead.lab.train.folding import Fold as Fold
    from fairlead.lab.train.material import Material as Material
    from fairlead.lab.train.material import material_of as material_of
    from fairlead.lab.train.search import Entry as Entry
    from fairlead.lab.train.training import Training as Training
    from fairlead.lab.train.training import train as train

_WHERE: dict[str, str] = {
    "Entry": "search",
    "Fold": "folding",
    "Material": "material",
    "Training": "training",
    "candidate_of": "adopting",
    "entrypoint_of": "adopting",
    "fit": "fitting",
    "fit_once": "fitting",
    "material_of": "material",
    "score_pipeline": "fitting",
    "train": "training",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
