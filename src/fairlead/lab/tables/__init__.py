"""Tables in and out: sources, what their columns mean, and the in-memory forms models take.

Names are looked up when they are first used; pandas and pyarrow load with them.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE: dict[str, str] = {
    "Table": "sources",
    "open_table": "sources",
    "ColumnFacts": "schema",
    "Schema": "schema",
    "infer": "inference",
    "columns_of": "cells",
    "frame_of": "cells",
    "target_of": "cells",
    "signature_of": "signatures",
    "event_times": "times",
    "write_rows": "writing",
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
