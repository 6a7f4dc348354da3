"""What a counterfactual may change: to values that training rows had, within rules, and what a change costs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.profile import ColumnProfile, Profile
from fairlead.contract.signature import Column, Signature

RARE, VALUES = 0.005, 16
"""Share of training rows below which a bin or category is no plausible value; values tried of one column."""


@dataclass(frozen=True)
class Rules:
    """immutable: columns that stay; increase, decrease: columns that may move one way alone."""

    immutable: frozenset[str] = frozenset()
    increase: frozenset[str] = frozenset()
    decrease: frozenset[str] = frozenset()

    def check(self, signature: Signature) -> None:
        """Raises UsageError for columns that the model does not have, or that are no numbers where they have to be."""
        numeric = {column.name for column in signature.columns if column.numeric}
        for name, given, known in (
            ("immutable", self.immutable, set(signature.names)),
            ("increase", self.increase, numeric),
            ("decrease", self.decrease, numeric),
        ):
            if unknown := sorted(given - known):
                kind = "column" if name == "immutable" else "numeric column"
                has = f"It has: {', '.join(sorted(known))}."
                raise UsageError(f"[explain] {name}: the model has no {kind} {', '.join(unknown)}. {has}")
        if both := sorted(self.increase & self.decrease):
            raise UsageError(f"[explain] {', '.join(both)} may only increase and only decrease: name it immutable.")

    def allows(self, column: str, before: float, after: float) -> bool:
        """Whether a number may go from one value to another; from a missing one it may not where a way is given."""
        if column in self.increase:
            return after > before
        if column in self.decrease:
            return after < before
        return True


@dataclass(frozen=True)
class Step:
    """One column set to one value. cost: in [0, 1], see `steps_of`."""

    column: str
    value: Any
    cost: float


def steps_of(signature: Signature, profile: Profile, row: dict[str, Any], rules: Rules) -> list[Step]:
    """All changes of one column that are allowed and plausible, in the signature's order.

    Numbers: middles of the bins that hold at least 0.5 % of the training rows, at most 16 of a column, within the
    signature's limits; cost: the share of training rows between the two values. Categories: those of at least 0.5 %;
    cost: half, and half of the share of rows that have another. Times, texts and tensors stay.
    """
    counted = {column.bins.name: column for column in profile.columns if column.rows}
    found: list[Step] = []
    for column in signature.columns:
        if column.name in rules.immutable or column.kind in ("time", "text", "tensor"):
            continue
        seen = counted.get(column.name)
        if column.numeric:
            found += _numbers(column, seen, float(row[column.name]), rules)
        else:
            found += _categories(column, seen, row[column.name])
    return found


def _numbers(column: Column, seen: ColumnProfile | None, before: float, rules: Rules) -> Iterable[Step]:
    edges, counts = bins_of(column, seen)
    total = sum(counts) or 1
    values = {
        fitting(column, (low + high) / 2)
        for (low, high), count in zip(pairwise(edges), counts, strict=True)
        if count / total >= RARE
    }
    kept = _spread(sorted(value for value in values if within(column, value)), VALUES)
    return [
        Step(column.name, value, cost_of(edges, counts, before, value))
        for value in kept
        if value != before and rules.allows(column.name, before, value)
    ]


def _categories(column: Column, seen: ColumnProfile | None, before: str | None) -> Iterable[Step]:
    shares = dict.fromkeys(column.categories, 1.0 / max(1, len(column.categories)))
    if seen is not None:
        total = max(1, seen.rows - seen.missing)
        shares = {n: c / total for n, c in zip(seen.bins.categories, seen.counts, strict=False)}
    kept = sorted((n for n, share in shares.items() if share >= RARE), key=lambda n: (-shares[n], n))[:VALUES]
    return [Step(column.name, name, 0.5 + 0.5 * (1 - shares[name])) for name in kept if name != before]


def bins_of(column: Column, seen: ColumnProfile | None) -> tuple[list[float], list[int]]:
    """(edges with both ends, counts) of a numeric column; without counts, eight equal bins over its range."""
    low = column.low if seen is None or seen.low is None else seen.low
    high = column.high if seen is None or seen.high is None else seen.high
    if low is None or high is None:
        return [0.0, 0.0], [0]
    if seen is None:
        return np.linspace(low, high, 9).tolist(), [1] * 8
    return [low, *(min(max(edge, low), high) for edge in seen.bins.edges), high], list(seen.counts)


def cost_of(edges: list[float], counts: list[int], before: float, after: float) -> float:
    """Share of training rows between two values; 1 from a missing one."""
    if before != before or not sum(counts):
        return 1.0
    below = np.concatenate(([0.0], np.cumsum(counts))) / sum(counts)
    # Equal edges would make the curve undefined there; the last of them counts.
    keep = np.append(np.diff(edges) > 0, True)
    at = np.interp([before, after], np.array(edges)[keep], below[keep])
    return float(abs(at[1] - at[0]))


def fitting(column: Column, value: float) -> float:
    """A number as the column takes it."""
    return float(round(value)) if column.kind in ("integer", "boolean") else float(f"{value:.4g}")


def within(column: Column, value: float) -> bool:
    """Whether the signature's range and the project's limits hold it."""
    low = max((x for x in (column.low, column.minimum) if x is not None), default=-np.inf)
    high = min((x for x in (column.high, column.maximum) if x is not None), default=np.inf)
    return bool(low <= value <= high)


def _spread(values: list[float], most: int) -> list[float]:
    if len(values) <= most:
        return values
    return [values[at] for at in sorted({round(at) for at in np.linspace(0, len(values) - 1, most)})]


def rules_of(immutable: Collection[str], increase: Collection[str], decrease: Collection[str]) -> Rules:
    """Rules as settings name them."""
    return Rules(frozenset(immutable), frozenset(increase), frozenset(decrease))
