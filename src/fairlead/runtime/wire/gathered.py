"""A column of a text format gathered block by block: each distinct text is read once where texts repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fairlead.runtime.bundle.coded import Coded, Codes, coded_objects
from fairlead.runtime.wire.whole_columns import Values

BLOCK = 1024
"""Lines read before their cells are turned, so that they are still in the cache and gone before they are many."""

_MANY = 4096
"""Distinct texts of a column up to which nobody asks whether they repeat."""

Read = Callable[[Sequence[str]], list[Any]]


class Gathered:
    """One column. read: texts -> values, each by itself."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._codes: list[Codes] = []
        self._known: dict[str, int] = {}
        self._values: list[Any] = []
        self._coded = True
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, cells: Sequence[str]) -> None:
        """The next cells."""
        self._rows += len(cells)
        if self._coded:
            self._add_codes(cells)
        else:
            self._values += self._read(cells)

    def _add_codes(self, cells: Sequence[str]) -> None:
        coded, known = coded_objects(list(cells)), self._known
        if coded is None and not self._codes:
            self._coded = False
            self._values += self._read(cells)
            return
        coded = coded or Coded(np.arange(len(cells), dtype=np.int32), cells)
        again = np.fromiter((known.setdefault(cell, len(known)) for cell in coded.cells), np.int32, len(coded.cells))
        self._codes.append(again.take(coded.codes))
        if len(known) > _MANY and 4 * len(known) > self._rows:
            self._values = list(self.values())
            self._coded = False

    def values(self) -> Values:
        """All of them."""
        if not self._coded:
            return self._values
        return Coded(np.concatenate(self._codes), self._read(list(self._known)))
