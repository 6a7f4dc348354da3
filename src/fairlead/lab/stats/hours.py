"""Hours of a reference in few bytes: counts of every column by the hour, for windows shorter than a day.

A profile an hour would carry its bins thousands of times. Here counts stand in one array a column, little-endian and
uncompressed, so that the same rows give the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import FormatUnknown
from fairlead.contract.profile import Bins, HourColumn, Hours
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.bins import as_floats
from fairlead.lab.stats.tensors import with_moments

HOUR_S = 3600.0
MOST_HOURS = 2400
"""A hundred days: what one false alarm a month asks for."""
MOST_CELLS = 3_000_000
"""Counts kept over all columns, at most."""
FORMAT = 1


def hours_of(
    columns: Mapping[str, Any], bins: Sequence[Bins], scores: np.ndarray, scored: Sequence[Bins], times: np.ndarray
) -> Hours | None:
    """The newest hours of rows in time order; None without rows. columns: (n,) each; scores: (n, outputs)."""
    if not len(times):
        return None
    width = sum(_size(b) + 1 for b in (*bins, *scored))
    slots = np.floor(np.asarray(times) / HOUR_S).astype(np.int64)
    known = np.unique(slots)[-max(min(MOST_HOURS, MOST_CELLS // max(width, 1)), 1) :]
    first = int(np.searchsorted(slots, known[0]))
    place = np.searchsorted(known, slots[first:])
    count = len(known)
    cells = with_moments(columns, [b.name for b in bins])
    return Hours(
        seconds=HOUR_S,
        slots=tuple(known.tolist()),
        rows=tuple(np.bincount(place, minlength=count).tolist()),
        columns=tuple(_column(b, cells[b.name][first:], place, count) for b in bins),
        scores=tuple(_column(b, scores[first:, i], place, count) for i, b in enumerate(scored)),
        format=FORMAT,
    )


def counts_in(hours: Hours, column: HourColumn, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Counts (hours, bins + 1), missing last, and sums of z and zz (hours, 2). Raises FormatUnknown."""
    if hours.format != FORMAT:
        raise FormatUnknown(f"hours of a reference in format {hours.format}; this version reads {FORMAT}")
    shape = len(hours.slots), _size(bins) + 1
    try:
        counts = np.frombuffer(column.counts, dtype="<u4" if column.wide else "<u2").reshape(shape)
        sums = np.frombuffer(column.sums, dtype="<f4").reshape(shape[0], 2)
    except ValueError as wrong:
        raise FormatUnknown(f"hours of column {bins.name!r} do not fit its bins: {wrong}") from wrong
    return counts.astype(np.float64), sums.astype(np.float64)


def _size(bins: Bins) -> int:
    return len(bins.edges) + 1 if bins.kind in NUMERIC else len(bins.categories) + 1


def _column(bins: Bins, values: Any, place: np.ndarray, count: int) -> HourColumn:
    size = _size(bins)
    sums = np.zeros((count, 2))
    if bins.kind in NUMERIC:
        floats = as_floats(values)
        missing = np.isnan(floats)
        code = np.where(missing, size, np.searchsorted(np.asarray(bins.edges), floats, side="right"))
        z = np.where(missing, 0.0, (floats - bins.shift) / bins.scale)
        sums[:, 0] = np.bincount(place, z, count)
        sums[:, 1] = np.bincount(place, z * z, count)
    else:
        known = {name: i for i, name in enumerate(bins.categories)}
        texts = values if isinstance(values, np.ndarray) else values.to_numpy(zero_copy_only=False)
        code = np.asarray([size if v is None or v != v else known.get(str(v), size - 1) for v in texts.tolist()])
    counts = np.bincount(place * (size + 1) + code, minlength=count * (size + 1)).reshape(count, size + 1)
    wide = bool(counts.max(initial=0) > np.iinfo(np.uint16).max)
    return HourColumn(bins.name, counts.astype("<u4" if wide else "<u2").tobytes(), sums.astype("<f4").tobytes(), wide)
