"""Which label counts for which record; column by column, as windows and labels may have a million rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract import records as names
from fairlead.runtime.capture.forecasts import are_forecasts, folded
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.tables import type_of

_ADDED = (names.LABEL, names.DEFINITION, names.LABEL_ARRIVED, names.LABEL_CALLER, names.VALUE, names.COMMENT)
_SAME_S = 1e-3
"""Seconds by which two tellings of one time may differ."""

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def join(table: Any, labels: Any, end: float | None, later: Callable[[float, Any], Any], definition: str = "") -> Any:
    """Records with the label, value and comment that count for each.

    labels: in order of arrival. later: keys and times of records of some keys from `end` up to a time, inclusive;
    asked only when a label by key and time lies beyond the interval, as its record may, too. definition: of the target,
    whose labels count before all others.
    """
    pa = arrow()
    added: dict[str, Any] = {}
    if table.num_rows and labels.num_rows:
        labels = folded(labels)
        matcher = _Matcher(table, end, later)
        for field in (names.LABEL, names.VALUE, names.COMMENT):
            given = labels.filter(compute().is_valid(labels.column(field)))
            if not given.num_rows:
                continue
            if field == names.LABEL and definition:
                # Of several the last counts, so what is to count comes last.
                given = pa.concat_tables([given.filter(part) for part in _of_others(given, definition)])
            found = matcher.match(given)
            places = pa.array(found, mask=found < 0)
            added[field] = given.column(field).take(places)
            if field == names.LABEL:
                added[names.DEFINITION] = given.column(names.DEFINITION).take(places)
                added[names.LABEL_ARRIVED] = given.column(names.ARRIVED).take(places)
                added[names.LABEL_CALLER] = given.column(names.CALLER).take(places)
    for name in _ADDED:
        column = added.get(name)
        if column is None:
            kind = pa.float64() if name == names.LABEL_ARRIVED else type_of(name)
            column = pa.nulls(table.num_rows, kind)
        table = table.append_column(name, column)
    return table


def _of_others(labels: Any, definition: str) -> tuple[Any, Any]:
    """Which labels are of another definition of the target, and which of this."""
    pc = compute()
    ours = pc.fill_null(pc.equal(labels.column(names.DEFINITION), definition), True)
    return pc.invert(ours), ours


class _Codes:
    """Texts as whole numbers: the same text, the same number. own: of the texts it was made with; -1 for null."""

    def __init__(self, texts: Any) -> None:
        self.known = compute().unique(texts).drop_null()
        self.own = self.of(texts)

    def of(self, texts: Any) -> Places:
        """-1 for a text that is not known, and for null."""
        codes: Places = _numpy(compute().index_in(texts, value_set=self.known), -1, np.int64)
        return codes


class _Matcher:
    """Records of one interval, found by request and row, by key, by key and time."""

    def __init__(self, table: Any, end: float | None, later: Callable[[float, Any], Any]) -> None:
        self._end, self._later = end, later
        self._named = _Codes(_named(table))
        self._keys = _Codes(table.column(names.KEY))
        self._times = _numpy(table.column(names.TIME), np.nan, np.float64)

    def match(self, labels: Any) -> Places:
        """For each record the position of the last label that is for it; -1 where there is none."""
        requests = _valid(labels.column(names.REQUEST))
        timed = _valid(labels.column(names.TIME)) & ~requests
        by_request = np.where(requests, self._named.of(_named(labels)), -1)
        by_key = self._keys.of(labels.column(names.KEY))
        found = np.maximum(
            _last(by_request, self._named.own),
            _last(np.where(requests | timed, -1, by_key), self._keys.own),
        )
        chosen = np.flatnonzero(timed & (by_key >= 0))
        if len(chosen):
            times = _numpy(labels.column(names.TIME), np.nan, np.float64)[chosen]
            exact = are_forecasts(labels.column(names.LABEL))[chosen]
            found = np.maximum(found, self._nearest(by_key[chosen], times, chosen, exact))
        return found

    def _nearest(self, keys: Places, times: Floats, places: Places, exact: npt.NDArray[np.bool_]) -> Places:
        """The last label by key and time of each record: sorted together, a label follows the record it is for.

        exact: labels that are for a record of the very same time alone.
        """
        after_keys, after_times = self._after(float(times.max()))
        own = np.flatnonzero(self._keys.own >= 0)
        all_keys = np.concatenate((self._keys.own[own], after_keys, keys))
        all_times = np.concatenate((self._times[own], after_times, times))
        is_label = np.arange(len(all_keys)) >= len(own) + len(after_keys)
        order = np.lexsort((is_label, all_times, all_keys))
        keys_in, times_in, label_in = all_keys[order], all_times[order], is_label[order]
        # Records of one key and time belong together: what is for one of them is for all.
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (keys_in[1:] != keys_in[:-1]) | (times_in[1:] != times_in[:-1])
        record_at = np.maximum.accumulate(np.where(label_in, -1, np.arange(len(order))))
        group = np.cumsum(begins)
        before = record_at[label_in]
        fits = (before >= 0) & (keys_in[before] == keys_in[label_in])
        at = order[label_in] - len(own) - len(after_keys)
        fits &= ~exact[at] | (times_in[label_in] - times_in[before] < _SAME_S)
        last = np.full(len(order) + 1, -1, dtype=np.int64)
        np.maximum.at(last, group[before[fits]], places[at][fits])
        found = np.full(len(self._times), -1, dtype=np.int64)
        inside = order < len(own)
        found[own[order[inside]]] = last[group[inside]]
        return found

    def _after(self, until: float) -> tuple[Places, Floats]:
        """Keys and times of records after the interval, up to `until`."""
        if self._end is None or until < self._end:
            return np.empty(0, dtype=np.int64), np.empty(0)
        after = self._later(until, self._keys.known)
        keys = self._keys.of(after.column(names.KEY))
        return keys[keys >= 0], _numpy(after.column(names.TIME), np.nan, np.float64)[keys >= 0]


def _last(labels: Places, records: Places) -> Places:
    """For each record the last position among `labels` with its code; -1 for none. Codes below 0 match nothing."""
    most = int(max(labels.max(initial=-1), records.max(initial=-1))) + 1
    last = np.full(most + 1, -1, dtype=np.int64)
    places = np.flatnonzero(labels >= 0)
    np.maximum.at(last, labels[places], places)
    return np.where(records >= 0, last[records], -1)


def _named(table: Any) -> Any:
    pa, pc = arrow(), compute()
    return pc.binary_join_element_wise(
        table.column(names.REQUEST).cast(pa.string()), table.column(names.ROW).cast(pa.string()), " "
    )


def _numpy(column: Any, missing: float, kind: Any) -> Any:
    return np.asarray(compute().fill_null(column, missing).to_numpy(), dtype=kind)


def _valid(column: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(compute().is_valid(column).to_numpy(), dtype=bool)
