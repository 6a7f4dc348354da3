"""How the guardrails of a rollout stand: errors from live counters, latency and decisions from its stage's records."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.contract.routes import Variant
from fairlead.ops.flow.counting import Counting
from fairlead.ops.flow.tallying import EDGES, Tally
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rollout.guardrails import (
    GUARD_ALPHA,
    Guardrail,
    counted_latency_guard,
    decisions_guard,
    errors_guard,
    part_of_stage,
    share_of,
)

SLOW_S = 0.01
"""Seconds below which nobody waits: a 99th percentile under it never fails the guardrail on latency."""


def stands_of(
    ws: Workspace,
    champion: Variant,
    tried: Sequence[Variant],
    tally: Tally | None,
    counting: Counting,
    stage: int,
    *,
    chosen: bool = False,
) -> dict[int, tuple[Guardrail, ...]]:
    """Every guardrail that the project asks for, by version of challenger.

    tally: answers of the stage that lasts, None where none are known; stage: its number, from 1. A shadow answers
    nobody, so its latency is nobody's. chosen: callers of a pilot's cohort were, and may well be decided about
    otherwise than all others are.
    """
    limits = ws.settings.rollout.guardrails
    alpha = share_of(GUARD_ALPHA, limits, len(tried))
    now = part_of_stage(alpha, stage)
    found: dict[int, tuple[Guardrail, ...]] = {}
    for one in tried:
        stands = []
        if "errors" in limits:
            stands.append(errors_stand(counting, champion.version, one.version, limits["errors"], alpha, now))
        if tally is not None and not one.shadow:
            old, new = tally.of(champion.bundle), tally.of(one.bundle)
            if "latency" in limits:
                least = SLOW_S / limits["latency"]
                stands.append(counted_latency_guard(old.slow, new.slow, EDGES, limits["latency"], now, least_s=least))
            if "decision_rate" in limits and not chosen and ws.settings.model.task in ("classification", "anomaly"):
                stands.append(decisions_guard(old.decided, new.decided, limits["decision_rate"], now))
        found[one.version] = tuple(stands)
    return found


def errors_stand(counting: Counting, champion: int, version: int, limit: float, alpha: float, now: float) -> Guardrail:
    """Fails by what was counted in this stage, holds by all stages: an hour in which both failed alike would look like
    the challenger's fault, had it a larger share in that hour than before. alpha: of all stages; now: of this one."""
    stage = errors_guard(counting.in_stage(champion), counting.in_stage(version), limit, now)
    if stage.outcome == "fails":
        return stage
    whole = errors_guard(counting.of(champion), counting.of(version), limit, alpha)
    return msgspec.structs.replace(whole, outcome="undecided") if whole.outcome == "fails" else whole


def said(stands: Sequence[Guardrail]) -> tuple[str, ...]:
    """What fails, in words."""
    return tuple(f"{one.name} ({one.why})" for one in stands if one.outcome == "fails")
