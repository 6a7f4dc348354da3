"""Verbs about what a model reaches: performance."""

from __future__ import annotations

from typing import Any

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def performance(ws: Workspace, last: int, page: bool) -> Answer:
    """See `Project.performance`."""
    from fairlead.ops.flow.live_performance import performance_of

    answer = performance_of(ws, last)
    answer["report"] = None
    if page:
        from fairlead.ops.reports.performance import write_performance

        answer["report"] = str(write_performance(performance_of(ws, 400), ws.home.reports / "performance"))
    return answer
