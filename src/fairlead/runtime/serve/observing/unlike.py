"""Rows unlike those of training, counted as they are answered, and who sends most: after the replies, by the tick."""

from __future__ import annotations

from collections import _count_elements  # type: ignore[attr-defined]
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from fairlead.runtime.serve.answering import Asked

if TYPE_CHECKING:
    from fairlead.runtime.serve.whole import Whole

MOST = 512
"""Callers that are counted one by one; more of them make the counts of the rarest wrong, never that of the busiest by
more than the rows of all divided by this."""


class Callers:
    """Rows by hashed caller since the last `take`, in bounded memory.

    Source: Misra and Gries, Finding repeated elements (Science of Computer Programming, 1982).
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rows: dict[str | None, int] = {}

    def add(self, marks: Iterable[str | None]) -> None:
        """One more row of each of these."""
        rows = self._rows
        _count_elements(rows, marks)
        if len(rows) > self._most:
            self._rows = fewer(rows, self._most)

    def take(self, count: int) -> list[tuple[str, int]]:
        """Whoever sent most, busiest first; what follows is counted anew. Called by another thread than `add`."""
        rows, self._rows = self._rows, {}
        told = [(mark, number) for mark, number in list(rows.items()) if mark is not None]
        return sorted(told, key=lambda pair: (-pair[1], pair[0]))[:count]


def fewer(rows: dict[str | None, int], most: int) -> dict[str | None, int]:
    """At most `most` counts: what the first one that finds no place has is taken from all."""
    least = sorted(rows.values(), reverse=True)[most]
    return {mark: number - least for mark, number in rows.items() if number > least}


def count(groups: Sequence[Whole], asked: Sequence[Asked]) -> None:
    """Rows of a tick that are unlike those of training, to the counters of who answered them."""
    for whole in groups:
        live = whole.live
        if live.unusual is not None:
            found = len(live.unusual(whole.rows))
            if found:
                live.counters.cells[live.unusual_at] += found
    for one in asked:
        if one.error is not None:
            continue
        for part in one.parts:
            live = part.live
            if live.unusual is not None:
                live.counters.cells[live.unusual_at] += len(live.unusual(list(part.rows)))


def marks_of(groups: Sequence[Whole], asked: Sequence[Asked]) -> list[str | None]:
    """The hashed caller of each row of a tick."""
    marks: list[str | None] = []
    for whole in groups:
        told = [None if one.caller is None else one.caller.rules.mark for one in whole.requests]
        if whole.sizes is None:
            marks += told
        else:
            for mark, size in zip(told, whole.sizes, strict=True):
                marks += repeat(mark, size)
    for one in asked:
        caller = one.request.caller
        marks += repeat(None if caller is None else caller.rules.mark, len(one.parsed.rows))
    return marks
