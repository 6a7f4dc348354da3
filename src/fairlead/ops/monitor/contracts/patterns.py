"""Which regular expressions a contract may hold: those whose time is bounded by the length of the text.

A pattern meets texts of strangers at the door, so one whose time explodes would let them stop the server.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

MOST_REPEATS = 3
"""Repetitions without a bound in one pattern: its time grows with the length to this power."""


def problem_of(pattern: str) -> str:
    """Why this pattern cannot be used; empty if it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
            from re import _parser  # type: ignore[attr-defined]

            parsed = _parser.parse(pattern)
        except (re.error, OverflowError, RecursionError) as why:
            return f"no regular expression: {str(why)[:120]}"
    open_ends = _Open()
    open_ends.walk(parsed, 0)
    if open_ends.bad:
        return open_ends.bad
    if open_ends.count > MOST_REPEATS:
        return f"{open_ends.count} repetitions without a bound; at most {MOST_REPEATS}, give the others one as {{1,20}}"
    return ""


class _Open:
    """Walks a parsed pattern and counts what repeats without a bound."""

    def __init__(self) -> None:
        self.count = 0
        self.bad = ""

    def walk(self, items: Any, inside: int) -> None:
        for sign, value in items:
            name = str(sign)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                self._repeat(value, inside)
            elif name in ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"):
                self.bad = "references to groups and looking ahead or back are not taken: their time has no bound"
            elif name == "SUBPATTERN":
                self.walk(value[-1], inside)
            elif name == "ATOMIC_GROUP":
                self.walk(value, inside)
            elif name == "BRANCH":
                for branch in value[1]:
                    self.walk(branch, inside)

    def _repeat(self, value: Any, inside: int) -> None:
        _, most, body = value
        many = int(most) > 20
        if many and len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "CATEGORY"):
            self.count += 1
            if inside:
                self.bad = "a repetition within a repetition: its time has no bound"
            return
        if inside and int(most) > 1:
            self.bad = "a repetition within a repetition: its time has no bound"
        elif many:
            self.count += 1
        self.walk(body, inside + (int(most) > 1))
