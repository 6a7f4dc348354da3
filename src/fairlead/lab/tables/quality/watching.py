"""What is kept exactly of a column of numbers or times while its batches pass: ends, stand-ins, odd moments."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from fairlead.lab.stats.buffers import to_numpy
from fairlead.lab.tables.parsing import is_text, parse_numbers, plain
from fairlead.lab.tables.times import seconds_of

ENDS = 64
STAND_INS = (-1.0, 0.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
"""Numbers that people write for "not known"."""
DATE_STAND_INS = {
    day: datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    for day in ("9999-12-31", "2999-12-31", "2099-12-31", "1970-01-01", "1900-01-01", "1899-12-30")
}
_1900 = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


class Watch:
    """One column. time: cells are moments, in seconds since the epoch. now: the moment after which is the future."""

    def __init__(self, time: bool, now: float) -> None:
        self.time, self.now = time, now
        self.low = _Ends(smallest=True)
        self.high = _Ends(smallest=False)
        self.marks = np.array(sorted(DATE_STAND_INS.values() if time else STAND_INS))
        self.marked = np.zeros(len(self.marks), dtype=np.int64)
        self.first_marked = np.zeros(len(self.marks), dtype=np.int64)
        self.early = self.late = 0
        self.early_rows: list[int] = []
        self.late_rows: list[int] = []

    def add(self, array: pa.Array | pa.ChunkedArray, first: int) -> None:
        """Take in a batch whose first row has number `first`."""
        values = floats_of(array, self.time)
        self.low.add(values, first)
        self.high.add(values, first)
        place = np.searchsorted(self.marks, values)
        place = np.where(place < len(self.marks), place, 0)
        hit = np.flatnonzero(self.marks[place] == values)
        if hit.size:
            self.marked += np.bincount(place[hit], minlength=len(self.marks))
            new = place[hit]
            for at in np.unique(new):
                if not self.first_marked[at]:
                    self.first_marked[at] = first + int(hit[np.argmax(new == at)])
        if self.time:
            self._out_of_range(values, first)

    def _out_of_range(self, values: np.ndarray, first: int) -> None:
        # Stand-ins such as 9999-12-31 are no dates in the future: they are told as missing. A day's grace for zones.
        plain_dates = ~np.isin(values, self.marks)
        late = np.flatnonzero((values > self.now + DAY_S) & plain_dates)
        early = np.flatnonzero((values < _1900) & plain_dates)
        self.late, self.early = self.late + late.size, self.early + early.size
        self.late_rows += (late[: ENDS - len(self.late_rows)] + first).tolist()
        self.early_rows += (early[: ENDS - len(self.early_rows)] + first).tolist()


class _Ends:
    """The smallest (or largest) values with their rows."""

    def __init__(self, smallest: bool) -> None:
        self.sign = 1.0 if smallest else -1.0
        self.values = np.empty(0)
        self.rows = np.empty(0, dtype=np.int64)

    def add(self, values: np.ndarray, first: int) -> None:
        worst = self.sign * self.values[-1] if len(self.values) == ENDS else np.inf
        with np.errstate(invalid="ignore"):
            better = np.flatnonzero(self.sign * values < worst)
        if not better.size:
            return
        if better.size > ENDS:
            better = better[np.argpartition(self.sign * values[better], ENDS)[:ENDS]]
        both = np.concatenate([self.values, values[better]])
        rows = np.concatenate([self.rows, better + first])
        order = np.lexsort((rows, self.sign * both))[:ENDS]
        self.values, self.rows = both[order], rows[order]


def floats_of(array: pa.Array | pa.ChunkedArray, time: bool = False) -> np.ndarray:
    """Cells as float64 with NaN for missing and strange ones; moments in seconds since the epoch, naive ones in UTC."""
    coded = array.type if isinstance(array, pa.Array) else None
    if coded is not None and pa.types.is_dictionary(coded):
        known = np.append(floats_of(array.dictionary, time), np.nan)
        return np.asarray(known[array.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)])
    array = plain(array)
    if pa.types.is_null(array.type) or (pa.types.is_nested(array.type)):
        return np.full(len(array), np.nan)
    if not time:
        if is_text(array.type):
            return parse_numbers(array)[0]
        return np.where(np.isfinite(found := to_numpy(array.cast(pa.float64(), safe=False))), found, np.nan)
    if not is_text(array.type):
        return seconds_of(array, "UTC")[0]
    # Dates repeat, and reading one costs more than finding that it repeats.
    encoded = array.dictionary_encode()
    known = np.append(seconds_of(encoded.dictionary, "UTC")[0], np.nan)
    return np.asarray(known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)])
