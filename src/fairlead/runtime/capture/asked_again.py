"""Records of answers that nobody got, because a proxy or client asked again: they are kept, and not counted.

A server that is killed between its record and its reply leaves a record; whoever asks again under the same id gets the
answer from another worker, which leaves a second one. Ids alone do not say that two records are one request: some
clients send the same id with every request. Records count as one request asked again if

- they have one request id, row and caller, and the same inputs,
- other processes wrote them (another segment), within a minute of each other,
- and their id was used four times at most.

Of them the last counts, which is the one that the caller waited for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract import records as names
from fairlead.runtime.capture.lazy import arrow, compute

AGAIN_S = 60.0
"""Longer than proxies and clients wait for an answer."""
MOST = 4
"""Times that one request is asked: once and three retries."""

Places = npt.NDArray[np.intp]


def counted_once(table: Any) -> Any:
    """A pyarrow.Table of records without those of answers that nobody got, in the same order. Where two of one request
    lie in different tables, as of two windows, both stay."""
    again = _asked_again(table)
    if not len(again):
        return table
    kept = np.ones(table.num_rows, dtype=bool)
    kept[again] = False
    return table.filter(arrow().array(kept))


def _asked_again(table: Any) -> Places:
    """Places of records after which the same was asked again."""
    pc, none = compute(), np.zeros(0, dtype=np.intp)
    ends = pc.min_max(table.column(names.SEGMENT)) if table.num_rows > 1 else None
    if ends is None or ends["min"] == ends["max"]:
        return none
    requests = table.column(names.REQUEST)
    first = pc.and_(pc.equal(table.column(names.ROW), 0), pc.equal(table.column(names.KIND), "prediction"))
    used = pc.value_counts(requests.filter(first))
    times = used.field("counts").to_numpy(zero_copy_only=False)
    several = used.field("values").filter(arrow().array((times > 1) & (times <= MOST)))
    if not len(several):
        return none
    places = np.flatnonzero(pc.is_in(requests, value_set=several).to_numpy())
    some = table.take(places)
    before, after = _neighbours(some)
    return np.asarray(places[before[_same(some, before, after)]], dtype=np.intp)


def _neighbours(table: Any) -> tuple[Places, Places]:
    """Pairs of places, one after the other in time, of one request id, row and kind."""
    request, kind, variant = (_codes(table.column(name)) for name in (names.REQUEST, names.KIND, names.VARIANT))
    row, arrived = (table.column(name).to_numpy() for name in (names.ROW, names.ARRIVED))
    # What was mirrored to a variant follows what was mirrored to it before; answers may have come from another one.
    lane = np.where(table.column(names.KIND).to_numpy() == "prediction", -1, variant)
    order = np.lexsort((arrived, lane, kind, row, request))
    before, after = order[:-1], order[1:]
    one = arrived[after] - arrived[before] <= AGAIN_S
    for key in (request, row, kind, lane):
        one &= key[before] == key[after]
    return before[one], after[one]


def _same(table: Any, before: Places, after: Places) -> npt.NDArray[np.bool_]:
    """Whether the pairs have the same caller and inputs and were written by different processes."""
    pc, pa = compute(), arrow()
    found = _codes(table.column(names.SEGMENT))
    same: npt.NDArray[np.bool_] = found[before] != found[after]
    compared = (names.KEY, names.CALLER)
    inputs = (names.FEATURE_IN, names.MEAN_IN, names.SPREAD_IN, names.PASSED_IN)
    for field in table.schema:
        if pa.types.is_nested(field.type) or not (field.name in compared or field.name.startswith(inputs)):
            continue
        column = table.column(field.name)
        one, other = column.take(pa.array(before)), column.take(pa.array(after))
        equal = pc.fill_null(pc.equal(one, other), False)
        missing = pc.and_(pc.is_null(one, nan_is_null=True), pc.is_null(other, nan_is_null=True))
        same &= pc.or_(equal, missing).to_numpy()
    return same


def _codes(column: Any) -> npt.NDArray[np.int64]:
    """A number for each text; -1 for none."""
    encoded = compute().dictionary_encode(arrow().chunked_array([column.combine_chunks()]).cast(arrow().string()))
    indices = encoded.combine_chunks().indices.fill_null(-1)
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)
