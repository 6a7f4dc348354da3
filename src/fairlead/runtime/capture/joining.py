"""Which label counts for which record."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from fairlead.contract import records as names
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.tables import type_of

_ADDED = (names.LABEL, names.DEFINITION, names.LABEL_ARRIVED, names.VALUE, names.COMMENT)


def join(table: Any, labels: Any, end: float | None, later: Callable[[float], Any]) -> Any:
    """Records with the label, value and comment that count for each.

    labels: in order of arrival. later: keys and times of records from `end` up to a time, inclusive; asked only
    when a label by key and time lies beyond the interval, as its record may, too.
    """
    pa = arrow()
    added: dict[str, Any] = {}
    if table.num_rows and labels.num_rows:
        matcher = _Matcher(table, end, later)
        for field in (names.LABEL, names.VALUE, names.COMMENT):
            given = labels.filter(compute().is_valid(labels.column(field)))
            if not given.num_rows:
                continue
            places = pa.array(matcher.match(given), pa.int64())
            added[field] = given.column(field).take(places)
            if field == names.LABEL:
                added[names.DEFINITION] = given.column(names.DEFINITION).take(places)
                added[names.LABEL_ARRIVED] = given.column(names.ARRIVED).take(places)
    for name in _ADDED:
        column = added.get(name)
        if column is None:
            kind = pa.float64() if name == names.LABEL_ARRIVED else type_of(name)
            column = pa.nulls(table.num_rows, kind)
        table = table.append_column(name, column)
    return table


class _Matcher:
    """Records of one interval, found by request and row, by key, by key and time."""

    def __init__(self, table: Any, end: float | None, later: Callable[[float], Any]) -> None:
        self._rows = table.num_rows
        self._end, self._later = end, later
        self._requests = table.column(names.REQUEST).to_pylist()
        self._numbers = table.column(names.ROW).to_pylist()
        self._keys = table.column(names.KEY).to_pylist()
        self._times = table.column(names.TIME).to_pylist()
        self._by_key: dict[str, list[int]] = {}
        for at, key in enumerate(self._keys):
            if key is not None:
                self._by_key.setdefault(key, []).append(at)

    def match(self, labels: Any) -> list[int | None]:
        """For each record the position of the last label that is for it."""
        found: list[int] = [-1] * self._rows
        by_request: dict[tuple[str, int], int] = {}
        timed: list[tuple[str, float, int]] = []
        given = zip(
            labels.column(names.REQUEST).to_pylist(),
            labels.column(names.ROW).to_pylist(),
            labels.column(names.KEY).to_pylist(),
            labels.column(names.TIME).to_pylist(),
            strict=True,
        )
        for at, (request, row, key, time) in enumerate(given):
            if request is not None:
                by_request[request, row] = at
            elif key in self._by_key:
                if time is not None:
                    timed.append((key, time, at))
                    continue
                for place in self._by_key[key]:
                    found[place] = max(found[place], at)
        if by_request:
            for place, named in enumerate(zip(self._requests, self._numbers, strict=True)):
                found[place] = max(found[place], by_request.get(named, -1))
        if timed:
            self._match_timed(timed, found)
        return [at if at >= 0 else None for at in found]

    def _match_timed(self, timed: list[tuple[str, float, int]], found: list[int]) -> None:
        times = self._times_of({key for key, _, _ in timed}, max(time for _, time, _ in timed))
        for key, time, at in timed:
            known = times[key]
            before = bisect_right(known, time)
            if before:
                nearest = known[before - 1]
                for place in self._by_key[key]:
                    if self._times[place] == nearest:
                        found[place] = max(found[place], at)

    def _times_of(self, keys: set[str], until: float) -> dict[str, list[float]]:
        """Sorted event times of all records of these keys, those after the interval included."""
        times = {key: [self._times[place] for place in self._by_key[key]] for key in keys}
        if self._end is not None and until >= self._end:
            after = self._later(until)
            pairs = zip(after.column(names.KEY).to_pylist(), after.column(names.TIME).to_pylist(), strict=True)
            for key, time in pairs:
                if key in keys:
                    times[key].append(time)
        return {key: sorted(of_key) for key, of_key in times.items()}
