"""Prepared features on the disk: written once while the table passes by, read in parts as often as a learner asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.lab.stats.measures import Floats

PART_BYTES = 8 << 20
FREE_SHARE = 0.9
"""Of the free space of a disk, what features may take."""


class Part(NamedTuple):
    """Consecutive rows. features: (n, width); truth: (n,) positions of classes, or numbers; weights: (n,) or None."""

    features: Floats
    truth: Floats
    weights: Floats | None


class Stored:
    """Rows in files of doubles: features, truth and, where rows have them, weights.

    weighing: factor of a row's weight by its class, (classes,), or None; scale: of every weight.
    """

    def __init__(self, folder: Path, width: int, weighted: bool) -> None:
        folder.mkdir(parents=True)
        self.folder, self.width, self.weighted = folder, width, weighted
        self.rows = 0
        self.weighing: Floats | None = None
        self.scale = 1.0
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Stored:
        names = ("features", "truth", *(("weights",) if self.weighted else ()))
        self._files = {name: (self.folder / name).open("wb") for name in names}
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, features: Floats, truth: Floats, weights: Floats | None = None) -> None:
        """Append rows, within `with`."""
        np.ascontiguousarray(features, dtype=np.float64).tofile(self._files["features"])
        np.asarray(truth, dtype=np.float64).tofile(self._files["truth"])
        if self.weighted:
            np.asarray(weights, dtype=np.float64).tofile(self._files["weights"])
        self.rows += len(truth)

    @property
    def part_rows(self) -> int:
        """Rows of a part: eight megabytes of features."""
        return max(1, PART_BYTES // (8 * max(self.width, 1)))

    def parts(self) -> Iterator[Part]:
        """All rows in order."""
        for first in range(0, self.rows, self.part_rows):
            yield self.read(first, min(self.part_rows, self.rows - first))

    def read(self, first: int, count: int) -> Part:
        """Rows first, first + 1, ..., with the weights that a fit is to give them."""
        features = self._doubles("features", first * self.width, count * self.width).reshape(count, self.width)
        truth = self._doubles("truth", first, count)
        return Part(features, truth, self._weights(first, count, truth))

    def truths(self) -> Floats:
        """The truth of every row, (rows,)."""
        return self._doubles("truth", 0, self.rows)

    def weights(self) -> Floats | None:
        """The weight of every row, (rows,), or None."""
        return self._weights(0, self.rows, self.truths())

    def _weights(self, first: int, count: int, truth: Floats) -> Floats | None:
        if not self.weighted and self.weighing is None:
            return None
        own = self._doubles("weights", first, count) * self.scale if self.weighted else np.ones(count)
        return own if self.weighing is None else own * self.weighing[truth.astype(np.int64)]

    def _doubles(self, name: str, first: int, count: int) -> Floats:
        return np.fromfile(self.folder / name, dtype=np.float64, count=count, offset=first * 8)


def require_space(folder: Path, needed: int) -> None:
    """Raises UsageError where the disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if needed > FREE_SHARE * free:
        raise UsageError(
            f"learning out of core keeps prepared features on the disk: {needed / 2**30:.1f} GiB, and there are "
            f"{free / 2**30:.1f} GiB free. Free some space, or take columns out of [model] features."
        )


def moments(stream: Any) -> tuple[float, Floats, Floats]:
    """Sum of weights, weighted mean of every feature, (width,), and of the truth, (1,)."""
    total, mean, aim = 0.0, np.zeros(stream.width), np.zeros(1)
    for part in stream.parts():
        weights = np.ones(len(part.truth)) if part.weights is None else part.weights
        total += float(weights.sum())
        mean += weights @ part.features
        aim += weights @ part.truth
    return total, mean / max(total, 1e-300), aim / max(total, 1e-300)
