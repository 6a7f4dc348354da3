"""Columns that give the target away, each with the evidence; a column that merely predicts well is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Severity
from fairlead.lab.tables.quality.suggesting import exclude
from fairlead.lab.tables.quality.telling import Telling

NEAR_PERFECT = 0.95  # lower end of AUC or R2 of one column alone
AHEAD = 0.05  # by which it must lead all others together, with 95 % confidence
FILLED = 0.9  # lower end of AUC or R2 of a gap alone
FUNCTION = 0.999  # share of the target's variance that neighbours in the column's order leave unexplained, from one
_PURE, _BASE = 0.99, 0.95
_FEWEST = 50
_LOOKED_AT = 4  # columns that are compared with all others, which takes a fit each


class Leaks:
    """Exact leaks by `lab.tables.leaks`; and columns that all but hold the target.

    A target in disguise: the target is a function of the column (monotone or not) to one part in a thousand, or each
    of its values goes with one class in 99 of 100 rows. Gaps that tell: whether the cell is filled predicts the target
    with an AUC or R2 of 0.9 at least. Too good: alone its cross-validated AUC or R2 is at least 0.95, and at least 0.05
    above that of all other columns together. All bounds are on the lower ends of 95 % intervals.
    """

    name = "leak"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column."""
        if not look.target or look.task not in {"classification", "regression"}:
            return
        exact = {c.name: c.why for c in look.schema.columns if c.role == "leak" and c.name in look.features}
        for name, why in exact.items():
            yield self._issue(look, name, why, {"kind": "exact"}, "problem")
        telling = Telling(look)
        if not telling.usable:
            return
        names = tuple(n for n in look.features if n not in exact and look.column(n).kind not in {"text", "tensor"})
        told: set[str] = set()
        for name in names:
            found = self._disguise(telling, name) or self._gap(telling, name)
            if found is not None:
                told.add(name)
                yield found
        yield from self._too_good(telling, tuple(n for n in names if n not in told))

    def _disguise(self, telling: Telling, name: str) -> Issue | None:
        look, cells = telling.look, telling._cells(name)
        known = ~np.isnan(cells)
        if known.sum() < max(_FEWEST, 0.5 * len(cells)) or len(np.unique(cells[known])) < 2:
            return None
        if telling.classify:
            return self._pure(telling, name, cells, known)
        x, y = cells[known], telling.truth[known, 0]
        if look.is_categorical(name) and not look.is_numeric(name):
            left, often = _within_groups(x, y)
        else:
            left, often = _between_neighbours(x, y)
        if 1 - left < FUNCTION or not often:
            return None
        rank = _spearman(x, y)
        how = "a monotone map" if abs(rank) > 0.9999 else "a function"
        says = f"the target is {how} of it: its order leaves {left:.1e} of the target's variance unexplained"
        evidence = {"kind": "disguise", "unexplained": left, "rank_correlation": round(rank, 6)}
        return self._issue(look, name, says, evidence, "problem")

    def _pure(self, telling: Telling, name: str, cells: np.ndarray, known: np.ndarray) -> Issue | None:
        if not (telling.look.is_categorical(name) or len(np.unique(cells[known])) <= 50):
            return None
        groups = np.unique(cells[known], return_inverse=True)[1]
        if len(groups) < 20 * (groups.max() + 1):
            return None
        truth = telling.truth[known].argmax(axis=1)
        table = np.zeros((groups.max() + 1, telling.truth.shape[1]))
        np.add.at(table, (groups, truth), 1)
        right, base = int(table.max(axis=1).sum()), int(table.sum(axis=0).max())
        low = _wilson_low(right, len(groups))
        wrong, usually = 1 - right / len(groups), 1 - base / len(groups)
        if low < _PURE or base > _BASE * len(groups) or wrong > 0.1 * usually or len(groups) - base < _FEWEST:
            return None
        says = f"its values name the class in {right / len(groups):.2%} of rows"
        evidence = {"kind": "disguise", "named": right, "of": len(groups), "low": round(low, 4)}
        return self._issue(telling.look, name, says, evidence, "problem")

    def _gap(self, telling: Telling, name: str) -> Issue | None:
        missing = telling.missing(name)
        if min(missing.sum(), (~missing).sum()) < _FEWEST:
            return None
        found = telling.gap(name)
        if found.low < FILLED:
            return None
        measure = "AUC" if telling.classify else "R2"
        says = (
            f"whether it is filled in tells the target: {measure} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        )
        return self._issue(telling.look, name, says, {"kind": "missingness", **_interval(found)}, "problem")

    def _too_good(self, telling: Telling, names: tuple[str, ...]) -> Iterator[Issue]:
        alone = {name: telling.alone(name) for name in names}
        best = sorted((n for n in names if alone[n].low >= NEAR_PERFECT), key=lambda n: -alone[n].value)
        measure = "AUC" if telling.classify else "R2"
        for name in best[:_LOOKED_AT]:
            others = telling.without(name, names)
            ahead, low = telling.beyond(alone[name], others)
            if low < AHEAD:
                continue
            says = (
                f"alone it predicts the target with {measure} {alone[name].value:.3f} [{alone[name].low:.3f}, "
                f"{alone[name].high:.3f}], all others together with {others.value:.3f}"
            )
            evidence = {"kind": "too good", **_interval(alone[name]), "others": round(others.value, 4),
                        "ahead": round(ahead, 4), "ahead_low": round(low, 4)}  # fmt: skip
            yield self._issue(telling.look, name, says, evidence, "warning")

    def _issue(self, look: Look, name: str, says: str, evidence: dict[str, Any], severity: Severity) -> Issue:
        return Issue(
            self.name, severity, says, name, count=look.rows, of=look.rows, exact=look.whole,
            evidence=evidence, suggestions=(exclude(name, "it gives the target away"),),
        )  # fmt: skip


def _between_neighbours(x: np.ndarray, y: np.ndarray) -> tuple[float, bool]:
    """Variance of y between neighbours in the order of x, as a share of all; and whether that means something.

    0 where y is a smooth function of x or constant where x ties; about 1 where it has nothing to do with it.
    Source: von Neumann, Distribution of the ratio of the mean square successive difference (1941). Ties are put in
    random order, or the order of the table would decide.
    """
    random = np.random.default_rng(2)
    order = np.lexsort((random.random(len(x)), x))
    steps = np.diff(y[order])
    spread = float(y.var())
    return (float((steps**2).mean() / 2 / spread) if spread else 1.0), len(np.unique(y)) >= 10 or spread > 0


def _within_groups(x: np.ndarray, y: np.ndarray) -> tuple[float, bool]:
    groups = np.unique(x, return_inverse=True)[1]
    counts = np.bincount(groups)
    means = np.bincount(groups, weights=y) / counts
    left = float(((y - means[groups]) ** 2).mean() / (y.var() or 1.0))
    return left, len(y) >= 5 * len(counts)


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    a, b = (np.unique(v, return_inverse=True)[1].astype(np.float64) for v in (x, y))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _wilson_low(right: int, n: int) -> float:
    """Source: Wilson, Probable inference (1927)."""
    z, p = 1.96, right / n
    return float((p + z * z / (2 * n) - z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n))


def _interval(found: object) -> dict[str, float]:
    return {k: round(float(getattr(found, k)), 4) for k in ("value", "low", "high")}
