"""Which regular expressions a contract may hold: those whose time is bounded by the length of the text.

A pattern meets texts of strangers at the door, so one whose time explodes would let them stop the server.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

MOST_REPEATS = 3
"""Repetitions without a bound in one pattern: its time grows with the length to this power."""


MOST_WAYS = 22.0
"""Binary logarithm of the ways in which a text may be tried: every choice (`a|b`, `a?`, `a{2,9}`) multiplies them, as
often as it is repeated, and all of them are tried for a text that fits in none. Some 4 million steps."""
WAYS_OPEN = 7.0
"""Of a repetition without a bound, of which no two may cover the same letters of a text of 256."""


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
    open_ends.walk(parsed, 1)
    if open_ends.bad:
        return open_ends.bad
    if open_ends.count > MOST_REPEATS:
        return f"{open_ends.count} repetitions without a bound; at most {MOST_REPEATS}, give the others one as {{1,20}}"
    if open_ends.ways + WAYS_OPEN * open_ends.count > MOST_WAYS:
        return "a text could be tried in millions of ways (choices, or what is left out, again and again): no bound"
    return ""


class _Open:
    """Walks a parsed pattern and counts what repeats without a bound. times: how often what is walked is repeated."""

    def __init__(self) -> None:
        self.count = 0
        self.ways = 0.0
        self.bad = ""

    def walk(self, items: Any, times: int) -> None:
        for sign, value in items:
            name = str(sign)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                self._repeat(value, times)
            elif name in ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"):
                self.bad = "references to groups and looking ahead or back are not taken: their time has no bound"
            elif name == "SUBPATTERN":
                self.walk(value[-1], times)
            elif name == "ATOMIC_GROUP":
                self.walk(value, times)
            elif name == "BRANCH":
                self.ways += times * math.log2(len(value[1]))
                for branch in value[1]:
                    self.walk(branch, times)

    def _repeat(self, value: Any, times: int) -> None:
        least, most, body = value
        inside = times > 1
        many = int(most) > 20
        if not many:
            self.ways += times * math.log2(int(most) - int(least) + 1)
        if many and len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "CATEGORY"):
            self.count += 1
            if inside:
                self.bad = "a repetition within a repetition: its time has no bound"
            return
        if inside and int(most) > 1:
            self.bad = "a repetition within a repetition: its time has no bound"
        elif many:
            self.count += 1
        self.walk(body, times * min(max(int(most), 1), 256))
