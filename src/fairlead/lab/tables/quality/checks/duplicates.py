"""Rows that are there twice, and keys that name more than one row."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import EXAMPLES, Issue


class Duplicates:
    """Repeated rows, compared in every column but those that name rows; repeated keys."""

    name = "duplicates"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue for rows, one for the key."""
        count, pairs = look.row_repeats.found()
        others = len(look.facts) - len(look.ids)
        if count and others > 1:
            but = f" (but for {', '.join(look.ids)})" if look.ids else ""
            yield Issue(
                self.name, "warning" if count >= 0.01 * look.rows else "note",
                f"{count:,} rows repeat an earlier one{but}; apart in training and judging they flatter a model",
                count=count, of=look.rows, rows=tuple(row for row, _ in pairs[:EXAMPLES]), exact=look.row_repeats.exact,
                evidence={"repeats": [list(pair) for pair in pairs[:EXAMPLES]]},
            )  # fmt: skip
        count, pairs = look.key_repeats.found()
        if look.key and count:
            yield Issue(
                "duplicate_keys", "problem",
                f"{count:,} rows carry a key that an earlier row has: labels that come by key would find several rows",
                look.key, count=count, of=look.rows, rows=tuple(row for row, _ in pairs[:EXAMPLES]),
                exact=look.key_repeats.exact, evidence={"repeats": [list(pair) for pair in pairs[:EXAMPLES]]},
            )  # fmt: skip
