"""Rows that are there twice, found by 64-bit hashes in bounded memory.

A row's hash depends on the values of its cells alone, not on the batch they came
in. Of more rows than the bound, those whose hash falls in a part of all hashes are
kept: copies of a row share that fate, so shares stay unbiased.
Two different rows share a hash by chance once in 2**64 pairs: at 4 million rows about once in two million tables.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.lab.tables.parsing import is_text, plain

Hashes = np.ndarray
_MISSING = np.uint64(0x9E3779B97F4A7C15)
KEPT = 4_000_000


def column_hashes(array: pa.Array | pa.ChunkedArray) -> Hashes:
    """A hash per cell, shape (rows,) uint64; missing cells are alike."""
    import pandas as pd

    if isinstance(array, pa.ChunkedArray):
        array = plain(array)
    if not pa.types.is_dictionary(array.type):
        array = plain(array)
    if pa.types.is_null(array.type):
        return np.full(len(array), _MISSING)
    if is_text(array.type) or pa.types.is_dictionary(array.type):
        coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        words = np.asarray(plain(coded.dictionary).to_pylist(), dtype=object)
        known = np.append(pd.util.hash_array(words, categorize=False) if len(words) else [], _MISSING)
        codes = coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        return np.asarray(known.astype(np.uint64)[codes])
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        return np.asarray(
            pd.util.hash_array(np.array([repr(v) for v in array.to_pylist()], dtype=object), categorize=False)
        )
    absent = array.is_null().to_numpy(zero_copy_only=False)
    try:
        numbers = array.cast(pa.int64()) if pa.types.is_temporal(array.type) else array
        floats = numbers.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column_hashes(pc.cast(array, pa.string()))
    # -0.0 and 0.0 are equal; every NaN is one.
    bits = np.where(np.isnan(floats), np.nan, floats + 0.0).view(np.uint64)
    return np.where(absent, _MISSING, mixed(bits))


def row_hashes(columns: list[Hashes]) -> Hashes:
    """A hash per row of its cells' hashes, in the order of the columns. Shape (rows,)."""
    total = np.full(len(columns[0]), np.uint64(len(columns)))
    for cells in columns:
        total = mixed(total * np.uint64(0x100000001B3) ^ cells)
    return total


def mixed(bits: Hashes) -> Hashes:
    """Bits stirred, so that near ones come apart. Shape (rows,) uint64."""
    # Source of the constants: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014).
    with np.errstate(over="ignore"):
        z = bits + _MISSING
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


class Repeats:
    """Which hashes come more than once. kept: hashes held at most (8 + 8 bytes each)."""

    def __init__(self, kept: int = KEPT) -> None:
        self._bound = kept
        self._level = np.uint64(0)
        self._hashes: list[Hashes] = []
        self._rows: list[np.ndarray] = []
        self._held = 0

    def add(self, hashes: Hashes, first: int, ignored: np.ndarray | None = None) -> None:
        """Take in a batch whose first row has number `first`. ignored: rows left out, (rows,) bool."""
        rows = np.arange(first, first + len(hashes))
        keep = (hashes & self._level) == 0
        if ignored is not None:
            keep &= ~ignored
        self._hashes.append(hashes[keep])
        self._rows.append(rows[keep])
        self._held += int(keep.sum())
        self._thin()

    def held(self) -> tuple[Hashes, np.ndarray]:
        """Hashes and rows that are kept, in the order of the rows."""
        if not self._hashes:
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        return np.concatenate(self._hashes), np.concatenate(self._rows)

    @property
    def level(self) -> int:
        """Bits that are 0 in all hashes kept; 0: all are."""
        return int(self._level)

    def join(self, level: int, hashes: Hashes, rows: np.ndarray) -> None:
        """Take in what was kept of rows that come later."""
        self._level = max(self._level, np.uint64(level))
        self._hashes.append(hashes)
        self._rows.append(rows)
        self._sift()
        self._thin()

    def _thin(self) -> None:
        while self._held > self._bound:
            self._level = self._level << np.uint64(1) | np.uint64(1)
            self._sift()

    def _sift(self) -> None:
        chosen = [(h & self._level) == 0 for h in self._hashes]
        self._hashes = [h[c] for h, c in zip(self._hashes, chosen, strict=True)]
        self._rows = [r[c] for r, c in zip(self._rows, chosen, strict=True)]
        self._held = sum(len(h) for h in self._hashes)

    def found(self) -> tuple[int, list[tuple[int, int]]]:
        """How many rows repeat an earlier one (projected where not all are held), and the first ones with it."""
        if not self._held:
            return 0, []
        hashes, rows = np.concatenate(self._hashes), np.concatenate(self._rows)
        order = np.argsort(hashes, kind="stable")
        same = hashes[order][1:] == hashes[order][:-1]
        again = order[1:][same]
        first = _first_of_run(order, same)
        pairs = sorted(zip(rows[again].tolist(), rows[first].tolist(), strict=True))[:20]
        return int(same.sum()) * int(self._level + np.uint64(1)), pairs

    @property
    def exact(self) -> bool:
        """Whether every row is held."""
        return int(self._level) == 0


def _first_of_run(order: np.ndarray, same: np.ndarray) -> np.ndarray:
    """For each member of a run but its first: the position of that first."""
    starts = np.concatenate([[True], ~same])
    index = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    return np.asarray(order[index[1:][same]])
