"""Pages and JSON about windows and incidents: for people who would rather look than read."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.reports.incident import IncidentReport as IncidentReport
    from fairlead.ops.reports.pages import render as render
    from fairlead.ops.reports.pages import write as write
    from fairlead.ops.reports.schemas import schemas as schemas
    from fairlead.ops.reports.window import ColumnView as ColumnView
    from fairlead.ops.reports.window import Decided as Decided
    from fairlead.ops.reports.window import MetricView as MetricView
    from fairlead.ops.reports.window import Point as Point
    from fairlead.ops.reports.window import Spoken as Spoken
    from fairlead.ops.reports.window import WindowReport as WindowReport
    from fairlead.ops.reports.window import columns_of as columns_of

_WHERE: dict[str, str] = {
    "ColumnView": "window",
    "Decided": "window",
    "IncidentReport": "incident",
    "MetricView": "window",
    "Point": "window",
    "Spoken": "window",
    "WindowReport": "window",
    "columns_of": "window",
    "render": "pages",
    "schemas": "schemas",
    "write": "pages",
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
