"""What a smaller model cost and gained: plain data, signed beside its bundle."""

from __future__ import annotations

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.compress.measuring import Measured

WORTH = 0.95
"""A figure counts as gained when it is at most this share of what it was: less is within what measuring varies by."""


class Cost(msgspec.Struct, frozen=True):
    """Quality on rows that neither model saw. difference: mean of (smaller's loss - former's), losses in [0, 1]; above
    0 it is worse. flipped: share of decisions that differ, None without decisions.
    """

    rows: int
    difference: Interval
    former: dict[str, float]
    smaller: dict[str, float]
    flipped: float | None


class Tried(msgspec.Struct, frozen=True):
    """One thing tried. difference: of mean losses out of fold, None where it could not be fitted or compiled, which
    `why` tells. bytes: of the compiled model, None when it was not compiled, as it lost too much.
    cpu: seconds a million rows, roughly, as it was when it was tried.
    """

    way: str
    what: str
    difference: Interval | None
    bytes: int | None
    why: str
    chosen: bool = False
    cpu: float | None = None


class Certificate(msgspec.Struct, frozen=True):
    """A compression. former, smaller: bundles; max_loss: what it was allowed to cost; share: of bytes, memory, latency
    and CPU that are left, medians of rounds; spread: of latency and CPU, the quartiles of that share round by round.
    unread: columns that the model takes, as its former does, and never reads.
    """

    former: str
    smaller: str
    way: str
    what: str
    max_loss: float
    cost: Cost
    before: Measured
    after: Measured
    share: dict[str, float]
    tried: tuple[Tried, ...]
    spread: dict[str, tuple[float, float]] = {}
    unread: tuple[str, ...] = ()
    format: int = 1


def gained(before: Measured, after: Measured) -> dict[str, float]:
    """The share of each figure that is left."""
    figures = {
        "bytes": (before.bytes, after.bytes),
        "memory": (before.memory_mb, after.memory_mb),
        "latency": (before.row_us, after.row_us),
        "cpu": (before.cpu_s_per_million, after.cpu_s_per_million),
    }
    return {name: round(new / old, 4) if old else 1.0 for name, (old, new) in figures.items()}


def spread_of(before: Measured, after: Measured) -> dict[str, tuple[float, float]]:
    """Of what was timed, the quartiles of the share that is left, round by round."""
    found = {}
    for name in before.rounds:
        shares = [new / old for new, old in zip(after.rounds[name], before.rounds[name], strict=True) if old]
        low, high = np.quantile(shares, (0.25, 0.75)) if shares else (1.0, 1.0)
        found[name] = (round(float(low), 4), round(float(high), 4))
    return found


def is_smaller(share: dict[str, float], spread: dict[str, tuple[float, float]] | None = None) -> bool:
    """Smaller on the disk, and no slower beyond what measuring varies by.

    It is slower where both the median and the lower quartile of the rounds say so.
    """
    slow = 2.0 - WORTH
    slower = any(min(share[name], (spread or {}).get(name, (np.inf,))[0]) > slow for name in ("cpu", "latency"))
    return share["bytes"] <= WORTH and not slower
