"""Columns that say the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue
from fairlead.lab.tables.quality.suggesting import exclude

ALIKE = 0.98
_MOST_COLUMNS = 300
_ROWS = 50_000


class Correlated:
    """Identical columns, columns that rename one another's values, numbers that move together."""

    name = "identical"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column: about the first one before it that says the same."""
        told: set[str] = set()
        names = look.features[:_MOST_COLUMNS]
        numeric = [n for n in names if look.is_numeric(n) and look.column(n).kind != "category"]
        words = [n for n in names if look.is_categorical(n)]
        for one, other in _same(numeric, [look.floats(n) for n in numeric]):
            told.add(other)
            yield self._identical(look, one, other)
        coded = {n: _canonical(look.codes(n)[0]) for n in words}
        for one, other in _same(words, list(coded.values())):
            told.add(other)
            yield self._identical(look, one, other, "; its values are names for the other's")
        yield from self._moving_together(look, [n for n in numeric if n not in told])

    def _identical(self, look: Look, one: str, other: str, how: str = "") -> Issue:
        return Issue(
            self.name, "warning", f"says the same as {one} in every row{how}", other, columns=(one,), count=look.rows,
            of=look.rows, exact=look.whole, suggestions=(exclude(other, f"a copy of {one}"),),
        )  # fmt: skip

    def _moving_together(self, look: Look, names: list[str]) -> Iterator[Issue]:
        if len(names) < 2:
            return
        step = max(1, len(look.numbers) // _ROWS)
        matrix = np.stack([look.floats(n)[::step] for n in names], axis=1)
        known = ~np.isnan(matrix).any(axis=1)
        if known.sum() < 30:
            return
        matrix = matrix[known] - matrix[known].mean(axis=0)
        spread = matrix.std(axis=0)
        matrix /= np.where(spread > 0, spread, np.inf)
        together = np.abs(matrix.T @ matrix) / len(matrix)
        for j, other in enumerate(names):
            near = [i for i in range(j) if together[i, j] >= ALIKE]
            if near:
                one, r = names[near[0]], float(together[near[0], j])
                yield Issue(
                    "correlated", "note", f"moves with {one}: correlation {r:.3f}", other, columns=(one,),
                    count=int(known.sum()), of=int(known.sum()), exact=look.whole,
                    evidence={"correlation": round(r, 4)}, suggestions=(exclude(other, f"{one} says almost the same"),),
                )  # fmt: skip


def _same(names: list[str], columns: list[np.ndarray]) -> Iterator[tuple[str, str]]:
    """Pairs (first, later one that is equal in every row), each later one once. A column without variety has none."""
    seen: dict[bytes, str] = {}
    for name, cells in zip(names, columns, strict=True):
        if len(cells) < 2 or (cells[~np.isnan(cells)] == cells[0]).all():
            continue
        key = np.ascontiguousarray(cells + 0.0).tobytes()
        import hashlib

        digest = hashlib.sha256(key).digest()
        if digest in seen:
            yield seen[digest], name
        else:
            seen[digest] = name


def _canonical(codes: np.ndarray) -> np.ndarray:
    """Codes numbered by first appearance, so that columns that rename each other are equal; missing stays -1."""
    values, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(values))
    known = values >= 0
    rank[known] = np.argsort(np.argsort(first[known]))
    rank[~known] = -1
    return np.asarray(rank[inverse], dtype=np.float64)
