"""Moments that cannot be: in the future, before 1900, ends before their starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from fairlead.lab.tables.kinds import words_of
from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import EXAMPLES, Issue
from fairlead.lab.tables.quality.suggesting import exclude
from fairlead.lab.tables.quality.watching import DATE_STAND_INS

_ALMOST_ALL = 0.95  # of rows in one order before the others count as swapped
_END = re.compile(r"(^|_)(end|ended|stop|finish|until|to|closed|out|return|returned|due|expiry|expires)($|_)", re.I)


class Dates:
    """Dates out of range, and pairs of columns of which one always comes after the other, but for a few rows."""

    name = "impossible_dates"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most two issues a column of dates, one a pair of them."""
        times = [n for n, watch in look.watches.items() if watch.time and look.column(n).kind == "time"]
        for name in times:
            watch = look.watches[name]
            for count, rows, what in (
                (watch.late, watch.late_rows, "lie in the future"),
                (watch.early, watch.early_rows, "lie before 1900"),
            ):
                if not count:
                    continue
                # Where most dates lie ahead they are due dates or plans.
                planned = count > 0.2 * look.rows
                tips = (exclude(name, "its dates cannot be right"),) if name in look.features and not planned else ()
                yield Issue(
                    self.name, "note" if planned else "warning", f"{count:,} of its dates {what}", name, count=count,
                    of=look.rows, rows=tuple(rows[:EXAMPLES]), suggestions=tips,
                )  # fmt: skip
        for i, one in enumerate(times):
            for other in times[i + 1 :]:
                yield from self._pair(look, one, other)

    def _pair(self, look: Look, one: str, other: str) -> Iterator[Issue]:
        a, b = look.floats(one), look.floats(other)
        stand_ins = np.array(list(DATE_STAND_INS.values()))
        both = ~(np.isnan(a) | np.isnan(b) | np.isin(a, stand_ins) | np.isin(b, stand_ins))
        if both.sum() < 50:
            return
        forward, back = both & (a < b), both & (a > b)
        for wrong, right, first, last in ((back, forward, one, other), (forward, back, other, one)):
            n = int(wrong.sum())
            named = bool(_END.search(words_of(last))) and not _END.search(words_of(first))
            most = right.sum() >= _ALMOST_ALL * (right.sum() + n) or (named and right.sum() > n)
            if n and most:
                yield Issue(
                    self.name, "warning", f"{last} comes before {first} in {look.projected(n):,} rows of this table",
                    last, columns=(first,), count=look.projected(n), of=look.rows, rows=look.examples(wrong),
                    exact=look.whole,
                )  # fmt: skip
