"""Columns that hardly vary."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue
from fairlead.lab.tables.quality.suggesting import exclude

ALMOST = 0.999


class Constants:
    """The same value in every row, or in all but one in a thousand."""

    name = "constant"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column."""
        for name in look.features:
            levels = look.facts[name].levels
            present = look.facts[name].present
            if not levels or present < 2:
                continue
            top = max(levels.values())
            if len(levels) == 1 and present == look.rows:
                yield Issue(self.name, "warning", "the same value in every row", name, count=top, of=look.rows,
                            suggestions=(exclude(name, "it never varies"),))  # fmt: skip
            elif top >= ALMOST * look.rows and look.rows >= 1000:
                says = f"the same value in {top / look.rows:.2%} of rows"
                yield Issue("near_constant", "note", says, name, count=top, of=look.rows,
                            suggestions=(exclude(name, "it hardly varies"),))  # fmt: skip
