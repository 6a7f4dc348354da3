"""How the guardrails of a rollout stand: errors from live counters, latency and decisions from records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.routes import Variant
from fairlead.ops.flow.counting import Counting
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rollout.guardrails import (
    GUARD_ALPHA,
    Guardrail,
    decisions_guard,
    errors_guard,
    latency_guard,
    share_of,
)

SLOW_S = 0.01
"""Seconds below which nobody waits: a 99th percentile under it never fails the guardrail on latency."""


def answered_since(ws: Workspace, event: float, wall: float, unit: str) -> Any:
    """The answers since then, as few columns of records: event time from `event` on, arrived from `wall` on.

    unit: the column that assigns.
    """
    import pyarrow.compute as pc

    from fairlead.runtime.capture import Records

    wanted = [names.ARRIVED, names.BUNDLE, names.REQUEST, names.LATENCY, names.LABEL_OUT, unit]
    table = Records(ws.home.root, ws.model).columns(event, None, wanted)
    return table.filter(pc.greater_equal(table.column(names.ARRIVED), wall)) if table.num_rows else table


def units_of(table: Any, bundles: Sequence[str], unit: str) -> list[int]:
    """Requests (or sticky keys, where callers keep their variant) that each of some bundles answered."""
    import pyarrow.compute as pc

    counted_by = unit if unit in table.schema.names else names.REQUEST
    sides = [_of(table, bundle) for bundle in bundles]
    return [len(pc.unique(side.column(counted_by))) if side.num_rows else 0 for side in sides]


def stands_of(
    ws: Workspace,
    champion: Variant,
    tried: Sequence[Variant],
    table: Any,
    counting: Counting,
    stages: int,
    *,
    chosen: bool = False,
) -> dict[int, tuple[Guardrail, ...]]:
    """Every guardrail that the project asks for, by version of challenger.

    table: answers of the stage that lasts, `answered_since`; stages: how many such tables there may be, each of which
    may err its part. A shadow answers nobody, so its latency is nobody's. chosen: callers of a pilot's cohort were, and
    may well be decided about otherwise than all others are.
    """
    limits = ws.settings.rollout.guardrails
    alpha = share_of(GUARD_ALPHA, limits, len(tried))
    old = _of(table, champion.bundle)
    found: dict[int, tuple[Guardrail, ...]] = {}
    for one in tried:
        stands = []
        if "errors" in limits:
            stands.append(
                errors_guard(counting.of(champion.version), counting.of(one.version), limits["errors"], alpha)
            )
        new = _of(table, one.bundle)
        if "latency" in limits and not one.shadow:
            stands.append(_latency(old, new, limits["latency"], alpha / stages))
        if (
            "decision_rate" in limits
            and not (one.shadow or chosen)
            and ws.settings.model.task in ("classification", "anomaly")
        ):
            decided = [Counter(str(d) for d in side.column(names.LABEL_OUT).to_pylist()) for side in (old, new)]
            stands.append(decisions_guard(decided[0], decided[1], limits["decision_rate"], alpha / stages))
        found[one.version] = tuple(stands)
    return found


def _of(table: Any, bundle: str) -> Any:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table.column(names.BUNDLE), bundle)) if table.num_rows else table


def _latency(old: Any, new: Any, limit: float, alpha: float) -> Guardrail:
    """Of requests, not of their rows; what is quick enough for anybody is let pass."""
    slow = [_seconds(side) for side in (old, new)]
    return latency_guard(np.maximum(slow[0], SLOW_S / limit), slow[1], limit, alpha)


def _seconds(table: Any) -> np.ndarray:
    if not table.num_rows:
        return np.zeros(0)
    grouped = table.group_by(names.REQUEST).aggregate([(names.LATENCY, "max")])
    found: np.ndarray = grouped.column(f"{names.LATENCY}_max").to_numpy().astype(np.float64)
    return found


def said(stands: Sequence[Guardrail]) -> tuple[str, ...]:
    """What fails, in words."""
    return tuple(f"{one.name} ({one.why})" for one in stands if one.outcome == "fails")
