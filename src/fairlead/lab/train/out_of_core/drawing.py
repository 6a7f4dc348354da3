"""Which rows of a table are kept for judging, and which are drawn into the sample: decided once, by their places.

A row's part depends on its place in the table, the seed and, where there is time, its time; so every pass over the
table meets the same parts, on whatever machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.lab.stats.measures import Floats, Ints

CUT_ROWS = 200_000
"""Times from which the cut between learning and judging is read."""
FEWEST = 30
"""Rows of every class that a sample holds, if there are as many."""
_GOLDEN, _ONE, _TWO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
HELD, CUT, DRAWN = 1, 2, 3
"""Streams of random numbers of one seed."""
AT_ONCE = 1 << 20
"""Rows of the index that are in memory together."""
MOST_BINS = 1 << 22


def uniform(seed: int, stream: int, first: int, count: int) -> Floats:
    """A number in [0, 1) for each of the rows first, first + 1, ...: always the same one for the same row.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014).
    """
    with np.errstate(over="ignore"):
        key = np.uint64((seed * 1_000_003 + stream) & 0xFFFFFFFFFFFFFFFF) * _GOLDEN
        state = key + (np.arange(first, first + count, dtype=np.uint64) + np.uint64(1)) * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _ONE
        state = (state ^ (state >> np.uint64(27))) * _TWO
        state ^= state >> np.uint64(31)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


@dataclass(frozen=True)
class Index:
    """What every row is, on the disk: its class (-1: no truth; 0 in a regression) and its time.

    cut: rows from this time on are kept for judging; None without time, where `share` of them is drawn. after: whether
    only rows after the cut are. rows: of the table; parts: rows by (learning or held, class), shape (2, classes).
    """

    folder: Path
    rows: int
    timed: bool
    share: float
    seed: int
    cut: float | None
    after: bool
    parts: Ints

    def read(self, first: int, count: int) -> tuple[Ints, np.ndarray, Floats | None]:
        """Classes, whether held, and times of rows first, first + 1, ..., each (count,)."""
        codes = _read(self.folder / "codes", np.int32, first, count).astype(np.int64)
        times = _read(self.folder / "times", np.float64, first, count) if self.timed else None
        return codes, self._held(first, count, times), times

    def _held(self, first: int, count: int, times: Floats | None) -> np.ndarray:
        return held_rows(first, count, times, self.cut, self.after, self.share, self.seed)

    @property
    def labelled(self) -> int:
        """Rows with a truth."""
        return int(self.parts.sum())


def held_rows(
    first: int, count: int, times: Floats | None, cut: float | None, after: bool, share: float, seed: int
) -> np.ndarray:
    """Which of these rows are kept for judging, (count,)."""
    if times is None or cut is None:
        return np.asarray(uniform(seed, HELD, first, count) < share)
    return np.asarray(times > cut if after else times >= cut)


def _read(path: Path, kind: type, first: int, count: int) -> np.ndarray:
    return np.fromfile(path, dtype=kind, count=count, offset=first * np.dtype(kind).itemsize)


def indexed(parts: Iterator[tuple[Ints, Floats | None]], classes: int, folder: Path, share: float, seed: int) -> Index:
    """Write the index. parts: classes and times of consecutive rows, in order. classes: how many; 1 for a regression.

    Raises InputInvalid where no row has a truth, or none is left for learning or judging.
    """
    rows, timed = 0, False
    with (folder / "codes").open("wb") as codes_file, (folder / "times").open("wb") as times_file:
        for codes, times in parts:
            codes.astype(np.int32).tofile(codes_file)
            if times is not None:
                timed = True
                times.astype(np.float64).tofile(times_file)
            rows += len(codes)
    found = Index(folder, rows, timed, share, seed, None, False, np.zeros((2, classes), np.int64))
    cut, after = _cut(found) if timed else (None, False)
    found = Index(folder, rows, timed, share, seed, cut, after, found.parts)
    for first in range(0, rows, AT_ONCE):
        codes, held, _ = found.read(first, min(AT_ONCE, rows - first))
        for part in (0, 1):
            chosen = codes[(codes >= 0) & (held == bool(part))]
            found.parts[part] += np.bincount(chosen, minlength=classes)
    if not found.parts[0].any() or not found.parts[1].any():
        raise InputInvalid("no row has a usable value in the target column, or no row is left to learn from or judge")
    return found


def _cut(index: Index) -> tuple[float, bool]:
    """The time from which rows are kept for judging, read from at most `CUT_ROWS` of them: exact below that many."""
    rate = CUT_ROWS / max(index.rows, 1)
    drawn = []
    for first in range(0, index.rows, AT_ONCE):
        count = min(AT_ONCE, index.rows - first)
        codes, _, times = index.read(first, count)
        assert times is not None
        drawn.append(times[(codes >= 0) & (uniform(index.seed, CUT, first, count) < rate)])
    times = np.sort(np.concatenate(drawn)) if drawn else np.zeros(0)
    if not len(times):
        raise InputInvalid("no row has a usable value in the target column")
    kept = min(max(round(index.share * len(times)), 1), max(len(times) - 1, 1))
    cut = float(times[len(times) - kept])
    return cut, bool(cut <= times[0])


class Drawer:
    """The sample: of each part and class exactly its share of `wanted` rows, those with the smallest random numbers.

    Which rows these are does not depend on how the table is cut into stretches on its way past. Two passes over the
    index find the number below which a row is drawn: first in which bin it lies, then which of that bin it is.
    """

    def __init__(self, index: Index, wanted: int) -> None:
        self._index = index
        rate = min(1.0, wanted / max(index.labelled, 1))
        self.drawn: Ints = np.minimum(np.maximum(np.ceil(rate * index.parts), FEWEST), index.parts).astype(np.int64)
        self._below = self._limits()

    def draw(self, first: int, codes: Ints, held: np.ndarray) -> Ints:
        """Places, ascending, of those of rows first, first + 1, ... that are in the sample."""
        below = np.where(codes >= 0, self._below[held.astype(np.int64), codes], -1.0)
        return np.flatnonzero(uniform(self._index.seed, DRAWN, first, len(codes)) <= below)

    def _limits(self) -> Floats:
        """The random number of the last row that is drawn, by part and class, shape (2, classes); -1: none is."""
        classes = self._index.parts.shape[1]
        bins = max(64, min(MOST_BINS // classes, self._index.rows // 16))
        counts = np.zeros((2 * classes, bins), dtype=np.int64)
        for group, numbers in self._numbers():
            np.add.at(counts, (group, (numbers * bins).astype(np.int64)), 1)
        need = self.drawn.ravel()
        reached = np.cumsum(counts, axis=1)
        place = (reached < need[:, None]).sum(axis=1)
        before = np.where(place > 0, reached[np.arange(len(need)), np.maximum(place - 1, 0)], 0)
        inside: list[list[float]] = [[] for _ in need]
        for group, numbers in self._numbers():
            close = (numbers * bins).astype(np.int64) == place[group]
            for one, number in zip(group[close].tolist(), numbers[close].tolist(), strict=True):
                inside[one].append(number)
        found = np.full(len(need), -1.0)
        for at, wanted in enumerate(need.tolist()):
            if wanted:
                found[at] = sorted(inside[at])[wanted - int(before[at]) - 1]
        return found.reshape(2, classes)

    def _numbers(self) -> Iterator[tuple[Ints, Floats]]:
        """Part and class as one number, and the random number, of all rows with a truth."""
        index, classes = self._index, self._index.parts.shape[1]
        for first in range(0, index.rows, AT_ONCE):
            codes, held, _ = index.read(first, min(AT_ONCE, index.rows - first))
            known = np.flatnonzero(codes >= 0)
            group = held[known].astype(np.int64) * classes + codes[known]
            yield group, uniform(index.seed, DRAWN, first, len(codes))[known]
