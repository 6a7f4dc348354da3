"""Versions, lineage and reports where MLflow's tools find them: a projection, keyed by bundle id.

The bundle store and the state database are the truth; what is here can be made again from them at any time.
mlflow takes seconds to import and is loaded with the first call that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.registry.database import prepare as prepare
    from fairlead.ops.registry.database import prepare_in_background as prepare_in_background
    from fairlead.ops.registry.database import quiet as quiet
    from fairlead.ops.registry.projection import Projected as Projected
    from fairlead.ops.registry.projection import Registry as Registry

_WHERE: dict[str, str] = {
    "Projected": "projection",
    "Registry": "projection",
    "prepare": "database",
    "prepare_in_background": "database",
    "quiet": "database",
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
