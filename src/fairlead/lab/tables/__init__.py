"""Tables in and out: sources, what their columns mean, and the in-memory forms models take.

Names are looked up when they are first used; pandas and pyarrow load with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.tables.cells import columns_of as columns_of
    from fairlead.lab.tables.cells import frame_of as frame_of
    from fairlead.lab.tables.cells import target_of as target_of
    from fairlead.lab.tables.inference import infer as infer
    from fairlead.lab.tables.joining import as_of_join as as_of_join
    from fairlead.lab.tables.reading import read_table as read_table
    from fairlead.lab.tables.schema import ColumnFacts as ColumnFacts
    from fairlead.lab.tables.schema import Schema as Schema
    from fairlead.lab.tables.signatures import signature_of as signature_of
    from fairlead.lab.tables.sources import Table as Table
    from fairlead.lab.tables.sources import open_table as open_table
    from fairlead.lab.tables.times import event_times as event_times
    from fairlead.lab.tables.writing import write_rows as write_rows

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
    "as_of_join": "joining",
    "read_table": "reading",
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
