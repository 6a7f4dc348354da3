"""Fairlead: from a table to a served, watched, self-renewing model.

>>> import fairlead
>>> project = fairlead.open("churn")            # a folder with fairlead.toml
>>> project.train()                             # one method a verb, the same names as the CLI

`fairlead.open` needs the `studio` extra for most verbs; `fairlead.load` and the
data plane need the base install alone. Everything is imported when first used,
so that `import fairlead` stays under a tenth of a second.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# onnxruntime's own builds send events about every process to their makers, and keep an identifier of the machine in
# the user's cache, unless this stands in the environment before they are imported. Whoever set it has said otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from fairlead.doors.python import Project, load, open
    from fairlead.lab.tables import as_of_join, read_table

__version__ = "0.1.0"
__all__ = ["Project", "__version__", "as_of_join", "load", "open", "read_table"]


def __getattr__(name: str) -> Any:
    if name in {"Project", "load", "open"}:
        from fairlead.doors import python

        return getattr(python, name)
    if name in {"as_of_join", "read_table"}:
        from fairlead.lab import tables

        return getattr(tables, name)
    raise AttributeError(f"module 'fairlead' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
