"""The rows that a model is meant for, as plain data: sealed in its signature, obeyed wherever it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

MOST_CONDITIONS, DEEPEST = 20, 25
"""Conditions of one population, and how deep one may be nested."""

Sign = Literal["and", "or", "not", "=", "<", "<=", ">", ">=", "missing"]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """and, or, not: of `parts`. Else a column against `values`, of which = needs one; missing cells fulfil none."""

    sign: Sign
    column: str = ""
    values: tuple[float | str, ...] = ()
    parts: tuple[Condition, ...] = ()


class Population(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """conditions: all must hold; said: each as the project writes it. outside: what becomes of other rows: refuse (no
    answer), or count (answered and counted).
    """

    conditions: tuple[Condition, ...]
    said: tuple[str, ...]
    outside: Literal["refuse", "count"] = "refuse"
