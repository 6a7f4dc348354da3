"""Models that run their own code: a supervised subprocess each, so that the data plane stays free of it.

`__main__`, `frames` and `opening` are what runs in that process, under any interpreter that has the model's own
libraries: they import the standard library and numpy alone, and nothing of ours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.native.desk import Desk
    from fairlead.runtime.native.form import NativeForm, NativeTerms, native_terms, terms_of
    from fairlead.runtime.native.process import NativeProcess

_HOME = {
    "Desk": "desk",
    "NativeForm": "form",
    "NativeProcess": "process",
    "NativeTerms": "form",
    "native_terms": "form",
    "terms_of": "form",
}
__all__ = ["Desk", "NativeForm", "NativeProcess", "NativeTerms", "native_terms", "terms_of"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
