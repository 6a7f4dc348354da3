"""From fitted models to bundles: an allow-listed front, an exact tail, a certificate of both, the files around them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.compile.candidate import Candidate
    from fairlead.lab.compile.certifying import certify
    from fairlead.lab.compile.elements import Elements
    from fairlead.lab.compile.foreign import signature_for_estimator
    from fairlead.lab.compile.frames import frame_like
    from fairlead.lab.compile.pipeline import Compiled, compile_pipeline
    from fairlead.lab.compile.shapes import shapes_of
    from fairlead.lab.compile.times import TimeParts
    from fairlead.lab.compile.writing import write_bundle

_HOME = {
    "Candidate": "candidate",
    "Compiled": "pipeline",
    "TimeParts": "times",
    "Elements": "elements",
    "certify": "certifying",
    "compile_pipeline": "pipeline",
    "frame_like": "frames",
    "shapes_of": "shapes",
    "signature_for_estimator": "foreign",
    "write_bundle": "writing",
}
__all__ = [
    "Candidate",
    "Compiled",
    "Elements",
    "TimeParts",
    "certify",
    "compile_pipeline",
    "frame_like",
    "shapes_of",
    "signature_for_estimator",
    "write_bundle",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
