"""Event times: one column, or a date and an hour, in seconds since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.contract.errors import CellInvalid, ColumnMissing, UsageError
from fairlead.lab.stats.buffers import to_numpy
from fairlead.lab.tables.parsing import instants, is_text, parse_numbers, parse_times, plain

_ALLOWED = "a date or a time such as 2011-01-31 or 2011-01-31T17:00:00Z"


def event_times(rows: Any, time_columns: str | Sequence[str], zone: str = "UTC") -> np.ndarray:
    """Seconds since the epoch (UTC) of every row, shape (rows,).

    time_columns: one column, or a date column and an hour column (0 to 24, or a time of day as 17:30).
    zone: IANA name, for times that carry none. Numbers are epoch seconds; from 1e11 on milliseconds,
    from 1e14 micro-, from 1e17 nanoseconds. Of a wall time that occurs twice the first is meant.
    Raises ColumnMissing, CellInvalid (a missing time, too: rows without one cannot be ordered), UsageError.
    """
    from fairlead.lab.tables.cells import arrow_of, names_of

    wanted = (time_columns,) if isinstance(time_columns, str) else tuple(time_columns)
    absent = [n for n in wanted if n not in names_of(rows)]
    if absent:
        raise ColumnMissing(absent, wanted)
    if not 1 <= len(wanted) <= 2:
        raise UsageError(f"a time is one column, or a date and an hour column; found {len(wanted)}")
    first = arrow_of(rows, wanted[0])
    if len(wanted) == 1:
        seconds, strange = seconds_of(first, zone)
        _check(seconds, strange, wanted[0], _ALLOWED)
        return seconds
    # The hour is a wall-clock hour: it is added before the zone is applied.
    dates, strange = seconds_of(first, "UTC")
    _check(dates, strange, wanted[0], _ALLOWED)
    hours, strange = _hours(arrow_of(rows, wanted[1]))
    _check(hours, strange, wanted[1], "an hour from 0 to 24, or a time of day such as 17:30")
    wall = dates + hours * 3600.0
    if ZoneInfo(zone).key == "UTC":
        return wall
    return instants(pa.array(np.round(wall * 1e6).astype(np.int64)).cast(pa.timestamp("us")), zone)


def seconds_of(array: pa.Array | pa.ChunkedArray, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds with NaN for missing, and which cells are not times. Both (rows,)."""
    array = plain(array)
    kind = array.type
    none = np.zeros(len(array), dtype=bool)
    if is_text(kind):
        return parse_times(array, zone)
    if pa.types.is_timestamp(kind):
        return instants(array, zone), none
    if pa.types.is_date(kind):
        return instants(array.cast(pa.timestamp("us" if pa.types.is_date32(kind) else "ms")), zone), none
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), none
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _epoch(to_numpy(array.cast(pa.float64(), safe=False))), none
    return np.full(len(array), np.nan), np.ones(len(array), dtype=bool)


def _epoch(numbers: np.ndarray) -> np.ndarray:
    size = np.nanmax(np.abs(numbers)) if np.isfinite(numbers).any() else 0.0
    return numbers / (1e9 if size >= 1e17 else 1e6 if size >= 1e14 else 1e3 if size >= 1e11 else 1.0)


def _hours(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    array = plain(array)
    if pa.types.is_time(array.type):
        micro = array.cast(pa.time64("us")).cast(pa.int64())
        return to_numpy(micro.cast(pa.float64())) / 3.6e9, np.zeros(len(array), dtype=bool)
    if is_text(array.type):
        clock = pc.extract_regex(array, r"^\s*(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2}))?\s*$")
        if clock.null_count < len(clock):
            parts = [parse_numbers(clock.field(k))[0] for k in ("h", "m", "s")]
            hours = parts[0] + parts[1] / 60 + np.nan_to_num(parts[2]) / 3600
            plain_hours, strange = parse_numbers(array)
            strange &= np.isnan(hours)
            hours = np.where(np.isnan(hours), plain_hours, hours)
        else:
            hours, strange = parse_numbers(array)
    else:
        hours, strange = to_numpy(array.cast(pa.float64(), safe=False)), np.zeros(len(array), dtype=bool)
    return hours, strange | (hours < 0) | (hours > 24)


def _check(values: np.ndarray, strange: np.ndarray, column: str, allowed: str) -> None:
    bad = strange | np.isnan(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise CellInvalid(row, column, "something else" if strange[row] else "nothing", allowed)
