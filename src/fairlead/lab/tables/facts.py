"""Running facts about one column, a batch at a time, in bounded memory.

Each batch is reduced to its distinct values first, so a rule costs what the
number of distinct values costs; beyond a bound of them only counts are kept.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.contract.signature import Column
from fairlead.lab.stats.buffers import nothing, of_mask, of_words, to_integers, to_mask, to_numpy
from fairlead.lab.tables.parsing import (
    bytes_of,
    family,
    is_text,
    parse_numbers,
    parse_times,
    plain,
    trimmed,
    without_blanks,
)
from fairlead.lab.tables.tensors import column_of, stacked

MAX_LEVELS = 10_000
_LOOK_ROWS = 100_000  # rows after which a column of nothing but words is no longer tried as numbers
_CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"


class Facts:
    """Counts of one column. Rows are numbered from 1."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = ""  # Arrow's family of kinds: text, number, integer, boolean, time, other
        self.rows = self.missing = 0
        self.numbers = self.words = self.whole = self.times = self.flags = self.padded = self.controls = 0
        self.first_control = self.first_not_number = self.first_not_time = 0
        self.longest = self.spaced = 0
        self.low = self.high = np.nan
        self.levels: Counter[Any] | None = Counter()
        self.tensor: Column | None = None  # what its cells are, where all of them are tensors of one shape
        self.mixed = False

    @property
    def present(self) -> int:
        """Cells that hold something."""
        return self.rows - self.missing

    def add(self, array: pa.Array | pa.ChunkedArray, field: pa.Field | None = None) -> None:
        """Take in the next batch of this column. field: as the table names it."""
        coded = array if isinstance(array, pa.DictionaryArray) and is_text(array.type.value_type) else None
        array = plain(array) if coded is None else coded
        start = self.rows
        self.rows += len(array)
        if not self.source and not pa.types.is_null(array.type):
            self.source = family(array.type if coded is None else coded.type.value_type)
        if pa.types.is_null(array.type):
            self.missing += len(array)
            return
        if self.source == "other":
            self.missing += array.null_count
            self.levels = None
            self._add_tensors(stacked(array, field))
            return
        if coded is not None:
            values, counts = _counted(coded)
            self.missing += len(coded) - int(counts.sum())
        else:
            if is_text(array.type):
                array = without_blanks(array)
            elif pa.types.is_floating(array.type):
                array = pc.if_else(pc.is_finite(array), array, nothing(array.type))
            self.missing += array.null_count
            counted = pc.value_counts(array.drop_null())
            values, counts = counted.field("values"), to_integers(counted.field("counts"))
        if self.levels is not None:
            self._add_levels(values, counts)
        if is_text(values.type):
            self._add_texts(array, values, counts, start)
        elif self.source in {"number", "integer"} and len(values):
            floats = to_numpy(values.cast(pa.float64(), safe=False))
            self.numbers += int(counts.sum())
            self.whole += int(counts[floats == np.floor(floats)].sum())
            self._range(floats)

    def _add_tensors(self, found: np.ndarray | None) -> None:
        column = None if found is None else column_of(self.name, found)
        known = self.tensor
        if found is None or column is None or (known is not None and column.shape != known.shape) or self.mixed:
            self.mixed, self.tensor = True, None
            return
        low, high = float(found.min()), float(found.max())
        self.low, self.high = float(np.fmin(self.low, low)), float(np.fmax(self.high, high))
        dtype = column.dtype if known is None or known.dtype == column.dtype else "float64"
        self.tensor = msgspec.structs.replace(column, low=self.low, high=self.high, dtype=dtype)

    def _add_levels(self, values: pa.Array, counts: np.ndarray) -> None:
        assert self.levels is not None
        if len(values) > MAX_LEVELS:
            self.levels = None
            return
        for value, n in zip(values.to_pylist(), counts.tolist(), strict=True):
            self.levels[value] += n
        if len(self.levels) > MAX_LEVELS:
            self.levels = None

    def _range(self, floats: np.ndarray) -> None:
        if np.isfinite(floats).any():
            self.low = float(np.fmin(self.low, np.nanmin(floats)))
            self.high = float(np.fmax(self.high, np.nanmax(floats)))

    def _add_texts(self, array: pa.Array, values: pa.Array, counts: np.ndarray, start: int) -> None:
        if not len(values):
            return
        self.longest = max(self.longest, pc.max(pc.utf8_length(values)).as_py() or 0)
        letters = bytes_of(values)
        if b" " in letters:
            self.spaced += int(counts[to_mask(pc.match_substring(pc.utf8_trim_whitespace(values), " "))].sum())
        codes = np.frombuffer(letters, dtype=np.uint8)
        if (codes < 0x20).any() or b"\x7f" in letters:
            control = to_mask(pc.match_substring_regex(values, _CONTROL))
            if control.any():
                self.controls += int(counts[control].sum())
                self.first_control = self.first_control or start + 1 + _row_of(array, values, control)
        if self.levels is None and start > _LOOK_ROWS and not self.numbers and not self.times:
            return
        floats, strange = parse_numbers(values)
        good = ~np.isnan(floats)
        self.words += int(counts[~good & ~strange].sum())
        self.numbers += int(counts[good].sum())
        self._range(floats)
        self._add_whole(values, counts, floats, good)
        if strange.any() and self.numbers:
            self.first_not_number = self.first_not_number or start + 1 + _row_of(array, values, strange)
        if not good.all():
            lower = pc.utf8_lower(trimmed(values))
            self.flags += int(counts[to_mask(pc.is_in(lower, value_set=of_words(("true", "false"))))].sum())
            moments, odd = parse_times(values, "UTC")
            self.times += int(counts[~np.isnan(moments)].sum())
            if odd.any():
                self.first_not_time = self.first_not_time or start + 1 + _row_of(array, values, odd)

    def _add_whole(self, values: pa.Array, counts: np.ndarray, floats: np.ndarray, good: np.ndarray) -> None:
        """Numbers written as whole ones, and cells of digits that begin with a needless 0."""
        likely = ~good | (floats == np.floor(floats))
        if not likely.any():
            return
        if not likely.all():
            values, counts, good = values.filter(of_mask(likely)), counts[likely], good[likely]
        bare = trimmed(values)
        letters = bytes_of(bare)
        if any(mark in letters for mark in (b".", b"e", b"E")):
            good = good & ~to_mask(pc.match_substring_regex(bare, r"[.eE]"))
        self.whole += int(counts[good].sum())
        if b"0" in letters:
            self.padded += int(counts[to_mask(pc.match_substring_regex(bare, r"^[+-]?0[0-9]+$"))].sum())


def _counted(coded: pa.DictionaryArray) -> tuple[pa.Array, np.ndarray]:
    """The texts that occur, blank ones left out, and how often each does."""
    words = without_blanks(plain(coded.dictionary))
    codes = to_integers(coded.indices.drop_null())
    counts = np.bincount(codes, minlength=len(words))
    there = (counts > 0) & to_mask(words.is_valid())
    if there.all():
        return words, counts
    return words.filter(of_mask(there)), counts[there]


def _row_of(array: pa.Array, values: pa.Array, chosen: np.ndarray) -> int:
    array = without_blanks(plain(array)) if pa.types.is_dictionary(array.type) else array
    places: list[int] = [pc.index(array, value).as_py() for value in values.filter(of_mask(chosen)).slice(0, 20)]
    return min(places)
