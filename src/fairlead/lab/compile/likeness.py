"""Cells of nobody that are spread as training rows were, by the counts that every bundle holds of them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import Cell, Column


def cells_like(seen: ColumnProfile, column: Column, rows: int, random: np.random.Generator) -> list[Cell]:
    """`rows` cells of one column, in random order, spread as the counted ones were.

    One cell is drawn from each of `rows` equal shares of the distribution, so few cells already have nearly its means
    and shares (Latin hypercube; McKay, Beckman and Conover, 1979). Within a bin every number is as likely; what a
    profile does not name (its bin of other categories) is drawn from the signature's categories that it does not
    count, and left out where there are none.
    """
    values, counts = _choices(seen, column)
    missing = seen.missing if column.nullable else 0
    total = sum(counts) + missing
    if not total:
        return [None] * rows if column.nullable else list(_anything(column, rows))
    at = random.permutation((np.arange(rows) + random.random(rows)) / rows) * total
    ends = np.cumsum([*counts, missing])
    chosen = np.minimum(np.searchsorted(ends, at, side="right"), len(counts))
    share = (at - np.concatenate(([0.0], ends))[chosen]) / np.maximum(np.array([*counts, missing]), 1)[chosen]
    return [None if c == len(counts) else _cell(values[c], column, s) for c, s in zip(chosen, share, strict=True)]


def _choices(seen: ColumnProfile, column: Column) -> tuple[list[Any], list[int]]:
    """What may be drawn and how often it was counted: (low, high) of a bin, or a tuple of categories."""
    counts = list(seen.counts)
    if column.numeric:
        low = seen.low if seen.low is not None else column.low
        high = seen.high if seen.high is not None else column.high
        if low is None or high is None:
            return [], []
        edges = [low, *(min(max(edge, low), high) for edge in seen.bins.edges), high]
        return list(pairwise(edges)), counts
    named = [(name,) for name in seen.bins.categories]
    others = tuple(sorted(set(column.categories) - set(seen.bins.categories)))
    return [*named, others], [*counts[: len(named)], *(counts[len(named) :] if others else [0])]


def _cell(choice: Any, column: Column, share: float) -> Cell:
    if not column.numeric:
        return str(choice[min(int(share * len(choice)), len(choice) - 1)])
    low, high = choice
    number = low + (high - low) * share
    if column.kind in ("integer", "boolean", "time"):
        # A bin's upper edge is the next bin's.
        return float(
            min(max(round(number), math.ceil(low)), math.floor(high) if math.floor(high) >= low else round(low))
        )
    return float(f"{number:.6g}")


def _anything(column: Column, rows: int) -> list[Cell]:
    known = column.categories or ("a",)
    return [0.0 if column.numeric else known[at % len(known)] for at in range(rows)]
