"""Rehearsing: a labelled history replayed through the deciding functions, policy beside policy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.rehearse.rehearsal import rehearse as rehearse
    from fairlead.ops.rehearse.report import write_rehearsal as write_rehearsal
    from fairlead.ops.rehearse.results import PolicyResult as PolicyResult
    from fairlead.ops.rehearse.results import Rehearsal as Rehearsal
    from fairlead.ops.rehearse.synthetic import agrawal as agrawal

_WHERE: dict[str, str] = {
    "agrawal": "synthetic",
    "rehearse": "rehearsal",
    "Rehearsal": "results",
    "PolicyResult": "results",
    "write_rehearsal": "report",
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
