"""What a challenger must not break while it is tried, whatever it wins: errors, latency, the share decided one way.

Each guardrail is a confidence sequence of how much worse the challenger is than the champion in the same time, so it
may be looked at every second. It fails when more than the limit is proven, holds when more is excluded.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

GUARD_ALPHA = 0.05
"""Of all guardrails of a rollout together: how often one of them fails a challenger that is within every limit."""
LATENCY_QUANTILE = 0.99

Held = Literal["holds", "fails", "undecided"]


class Guardrail(msgspec.Struct, frozen=True):
    """How one guardrail stands. size, low, high: how much worse than the champion, in `unit`, with its confidence
    sequence; limit: in the same unit. n: requests or rows of the challenger. why: in a sentence."""

    name: str
    outcome: Held
    size: float
    low: float
    high: float
    limit: float
    unit: str
    n: int
    why: str


class Counted(msgspec.Struct, frozen=True):
    """Requests of one variant: how many were answered at all, and how many of them with an error that it made."""

    errors: int = 0
    requests: int = 0


def share_of(alpha: float, limits: Collection[str], challengers: int = 1) -> float:
    """What each guardrail of each challenger may err, so that all together err at most `alpha`."""
    return alpha / max(1, len(limits) * challengers)


def part_of_stage(alpha: float, number: int) -> float:
    """What the `number`-th stage of a rollout (from 1) may err, so that all of them, however many, err at most `alpha`.

    Evidence begins anew with each stage, as other shares at other times make the two no longer comparable.
    """
    return alpha / (number * (number + 1.0))


def errors_guard(champion: Counted, challenger: Counted, limit: float, alpha: float = GUARD_ALPHA) -> Guardrail:
    """Whether the challenger answers more requests with an error than the champion does, by more than `limit` (share).

    Errors are those that a variant made: what is wrong with a request is not held against it.
    """
    low, high, size = _shares(champion.errors, champion.requests, challenger.errors, challenger.requests, alpha)
    seen = f"{challenger.errors:,} of {challenger.requests:,} requests failed, of the champion's {champion.errors:,} of"
    said = f"{seen} {champion.requests:,}: {_points(size)} more, [{_points(low)}, {_points(high)}], allowed {limit:.2%}"
    outcome = _held(low, high, limit)
    return Guardrail("errors", outcome, size, low, high, limit, "share of requests", challenger.requests, said)


def decisions_guard(
    champion: Mapping[str, int], challenger: Mapping[str, int], limit: float, alpha: float = GUARD_ALPHA
) -> Guardrail:
    """Whether the challenger decides one way more or less often than the champion does, by more than `limit` (share).

    champion, challenger: answers by decision. The decision that moved most is told, and each has its part of alpha.
    """
    classes = sorted({*champion, *challenger})
    ours, theirs = sum(challenger.values()), sum(champion.values())
    told: list[Guardrail] = []
    # Of two decisions one says it all.
    tried = classes[:1] if len(classes) == 2 else classes
    for name in tried:
        one, other = challenger.get(name, 0), champion.get(name, 0)
        low, high, size = _shares(other, theirs, one, ours, alpha / max(1, len(tried)))
        near = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
        far = max(abs(low), abs(high))
        said = f"decides {name!r} {_points(size)} more often, [{_points(low)}, {_points(high)}], allowed {limit:.0%}"
        outcome = _held(near, far, limit)
        told.append(Guardrail("decision_rate", outcome, size, low, high, limit, "share of answers", ours, said))
    if not told:
        return Guardrail("decision_rate", "undecided", 0.0, -1.0, 1.0, limit, "share of answers", 0, "no answers yet")
    failed = [one for one in told if one.outcome == "fails"]
    if failed or all(one.outcome == "holds" for one in told):
        return max(failed or told, key=lambda one: abs(one.size))
    return max((one for one in told if one.outcome == "undecided"), key=lambda one: abs(one.size))


def latency_guard(
    champion: np.ndarray | Sequence[float],
    challenger: np.ndarray | Sequence[float],
    limit: float,
    alpha: float = GUARD_ALPHA,
    p: float = LATENCY_QUANTILE,
) -> Guardrail:
    """Whether the challenger's `p`-quantile of seconds is more than `limit` times the champion's.

    champion, challenger: seconds of requests, (n,), in any order.
    """
    from fairlead.lab.stats.sequences import quantile_bounds

    bounds = quantile_bounds(champion, p, alpha), quantile_bounds(challenger, p, alpha)
    return _slower(*bounds, limit, p, len(champion), len(challenger))


def counted_latency_guard(
    champion: np.ndarray,
    challenger: np.ndarray,
    edges: np.ndarray,
    limit: float,
    alpha: float = GUARD_ALPHA,
    p: float = LATENCY_QUANTILE,
    *,
    least_s: float = 0.0,
) -> Guardrail:
    """`latency_guard` of requests that were counted by how long they took: (k,) counts in cells of (k + 1,) `edges`.

    least_s: a quantile of the champion below it is taken for this: what is quick enough for anybody is let pass.
    """
    from fairlead.lab.stats.sequences import counted_quantile_bounds

    old, low, high = counted_quantile_bounds(champion, edges, p, alpha)
    raised = max(old, least_s), max(low, least_s), max(high, least_s)
    n, m = int(np.sum(champion)), int(np.sum(challenger))
    return _slower(raised, counted_quantile_bounds(challenger, edges, p, alpha), limit, p, n, m)


Bounds = tuple[float, float, float]


def _slower(champion: Bounds, challenger: Bounds, limit: float, p: float, old_n: int, n: int) -> Guardrail:
    """From the quantile of either with its bounds, and the requests of either."""
    (old, old_low, old_high), (new, new_low, new_high) = champion, challenger
    unit = f"times the champion's p{100 * p:g}"
    if not n or not old_n:
        return Guardrail("latency", "undecided", 1.0, 0.0, math.inf, limit, unit, n, "no answers of both yet")
    size = new / old if old > 0 else math.inf if new > 0 else 1.0
    low = new_low / old_high if math.isfinite(old_high) and old_high > 0 and new_low > 0 else 0.0
    high = new_high / old_low if old_low > 0 and math.isfinite(old_low) else math.inf
    told = "any" if math.isinf(high) else f"{high:.2f}"
    said = f"p{100 * p:g} of {1000 * new:.3g} ms, {size:.2f} times the champion's, [{low:.2f}, {told}],"
    return Guardrail("latency", _held(low, high, limit), size, low, high, limit, unit, n, f"{said} allowed {limit:g}")


def _shares(old: int, old_n: int, new: int, new_n: int, alpha: float) -> tuple[float, float, float]:
    """Lower and upper bound of how much larger the new share is, and by how much it is."""
    from fairlead.lab.stats.sequences import share_bounds

    low, high = share_bounds(np.array([old, new]), np.array([old_n, new_n]), alpha)
    size = (new / new_n if new_n else 0.0) - (old / old_n if old_n else 0.0)
    return float(low[1] - high[0]), float(high[1] - low[0]), size


def _held(low: float, high: float, limit: float) -> Held:
    return "fails" if low > limit else "holds" if high <= limit else "undecided"


def _points(share: float) -> str:
    return f"{share:+.2%}"
