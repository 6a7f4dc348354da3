"""The published schemas of the JSON beside the pages."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.reports.incident import IncidentReport
from fairlead.ops.reports.window import WindowReport

TITLES = {"window": "What was found in one window", "incident": "An incident, from its beginning on"}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of the two kinds of report, by kind."""
    return {
        kind: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": TITLES[kind],
            **msgspec.json.schema(made),
        }
        for kind, made in (("window", WindowReport), ("incident", IncidentReport))
    }
