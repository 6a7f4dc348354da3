"""How rows follow each other: longest runs of one value, of missing cells, rows that repeat. No cell is kept."""

from __future__ import annotations

import msgspec

LONGEST = 20
"""Longest runs that are kept of a column."""

PIECE = 500
"""Consecutive rows among which rows that repeat another are counted."""

MOST_PIECES = 400


class Habit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column. runs: lengths of its longest runs of one value, longest first, at most 20; gaps: of missing cells.

    distinct: how many values it has, counted up to 64; 0 for one without order (category, text).
    """

    name: str
    runs: tuple[int, ...] = ()
    gaps: tuple[int, ...] = ()
    distinct: int = 0


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """rows: how many there were, in order of time (of the table without time). repeats: rows of each piece of 500
    that equal another row of it, newest pieces last, at most 400.
    """

    rows: int
    habits: tuple[Habit, ...] = ()
    repeats: tuple[int, ...] = ()
