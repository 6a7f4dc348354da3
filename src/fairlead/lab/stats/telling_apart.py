"""Whether rows of two sets can be told apart by all their columns together, and by which.

A linear discriminant over bins, standardised numbers and their products, in closed
form: the same two factorisations serve every way of dividing the rows, so what is
usual of hundreds of stretches costs as much as a few fits. Products let it see
columns that moved against each other while each alone stayed.
Sources: Fisher (1936); Lopez-Paz and Oquab, Revisiting classifier two-sample tests (2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.distances import coarsen
from fairlead.lab.stats.measures import Floats, Ints

BINS, WORDS = 8, 15
MOST_COLUMNS, MOST_PRODUCTS = 60, 10
RIDGE = 0.02
CLIP = 4.0
NEVER_VARIED = 0.1
"""Deviation that a feature which never varied is taken to have."""


class Features(NamedTuple):
    """matrix: (n, f); owners: the columns that each feature comes of, one or two."""

    matrix: Floats
    owners: tuple[tuple[str, ...], ...]


def features_of(columns: Mapping[str, np.ndarray], reference: Sequence[ColumnProfile]) -> Features:
    """What rows are told apart by, by the bins of a reference: the same features for any rows.

    columns: columns form, (n,) each; those of `reference` that they lack are left out, and beyond 60 the later ones.
    """
    parts: list[Floats] = []
    owners: list[tuple[str, ...]] = []
    numbers: list[tuple[str, Floats]] = []
    for known in [c for c in reference if c.bins.name in columns][:MOST_COLUMNS]:
        name, cells = known.bins.name, columns[known.bins.name]
        if known.bins.kind in NUMERIC:
            values = np.asarray(cells, dtype=np.float64)
            z = np.clip((values - known.bins.shift) / known.bins.scale, -CLIP, CLIP)
            numbers.append((name, np.where(np.isnan(z), 0.0, z)))
            groups = coarsen(np.asarray(known.counts), BINS)
            coded = np.where(np.isnan(values), -1, groups[np.searchsorted(known.bins.edges, values, side="right")])
            made = [numbers[-1][1], *(coded == g for g in range(1, int(groups.max(initial=0)) + 1))]
        else:
            order = np.argsort(-np.asarray(known.counts[:-1]), kind="stable")[:WORDS]
            made = [np.asarray(cells == known.bins.categories[i]) for i in order]
            coded = np.where([c is None for c in cells], -1, 0)
        made.append(coded == -1)
        parts += [np.asarray(m, dtype=np.float64) for m in made]
        owners += [(name,)] * len(made)
    for i, (one, a) in enumerate(numbers[:MOST_PRODUCTS]):
        for other, b in numbers[i + 1 : MOST_PRODUCTS]:
            parts.append(a * b)
            owners.append((one, other))
    rows = len(next(iter(columns.values()))) if columns else 0
    return Features(np.column_stack(parts) if parts else np.zeros((rows, 0)), tuple(owners))


class Told(NamedTuple):
    """auc: of rows that were not learned from; low, high: 95 % over blocks; by: share of each column, most first."""

    auc: float
    low: float
    high: float
    by: dict[str, float]


class Telling:
    """Rows of two folds, factorised once. features: of all rows; fold: (n,) 0 or 1, alike for neighbours."""

    def __init__(self, features: Features, fold: Ints) -> None:
        matrix = features.matrix - features.matrix.mean(axis=0)
        spread = matrix.std(axis=0)
        self.kept = np.flatnonzero(spread > 1e-9)
        self.matrix: Floats = matrix[:, self.kept] / spread[self.kept]
        self.owners = [features.owners[i] for i in self.kept]
        self.fold = fold
        self._inverse, self._scatter = [], []
        for one in (0, 1):
            learnt = self.matrix[fold != one]
            scatter = learnt.T @ learnt / max(len(learnt), 1)
            self._scatter.append(scatter)
            self._inverse.append(np.linalg.inv(scatter + RIDGE * np.eye(len(self.kept))) if len(self.kept) else scatter)

    def told(self, second: np.ndarray, blocks: Ints) -> Told:
        """How well the `second` rows, (n,) bool, are told from the others. blocks: (n,), which rows belong together."""
        scores, weights = self._scores(second)
        auc, placed = self._auc(scores, second)
        spread = _spread(placed[second], blocks[second], placed[~second], blocks[~second])
        by = self._by(second, weights)
        return Told(auc, max(auc - 1.96 * spread, 0.0), min(auc + 1.96 * spread, 1.0), by)

    def auc(self, second: np.ndarray) -> float:
        """The AUC alone."""
        return self._auc(self._scores(second)[0], second)[0]

    def separations(self, second: Floats, blocks: Ints) -> Floats:
        """How far apart the sides' mean scores lie for each way of dealing blocks out, in standard deviations, (ways,).

        As the AUC, of rows that were not learned from, and from sums of blocks alone, so that a thousand ways cost
        about as much as one. second: (ways, blocks), 1 where a block is on the second side; blocks: (n,), the block of
        each row, which lies in one fold. 0 where a fold has no row of a side.
        """
        means, there = self._means(second, blocks)
        found = np.zeros(len(second))
        for one in (0, 1):
            directions = means[1 - one] @ self._inverse[one]
            spread = np.sqrt(np.einsum("df,df->d", directions @ self._scatter[1 - one], directions))
            far = np.einsum("df,df->d", directions, means[one])
            found += 0.5 * np.where(spread > 1e-12, far / np.maximum(spread, 1e-12), 0.0)
        return np.where(there, found, 0.0)

    def aucs(self, second: Floats, blocks: Ints) -> Floats:
        """The AUC of each way of dealing blocks out, (ways,); arguments as of `separations`. 0.5 where a fold has no
        row of a side.
        """
        means, there = self._means(second, blocks)
        found = np.zeros(len(second))
        for one in (0, 1):
            here = np.flatnonzero(self.fold == one)
            scores = self.matrix[here] @ (means[1 - one] @ self._inverse[one]).T
            for way in np.flatnonzero(there):
                chosen = second[way, blocks[here]] > 0
                found[way] += 0.5 * float(_placements(scores[chosen, way], scores[~chosen, way]).mean())
        return np.where(there, found, 0.5)

    def _means(self, second: Floats, blocks: Ints) -> tuple[list[Floats], np.ndarray]:
        """Of each fold the second side's mean less the other's, (ways, f), and whether every fold has rows of both."""
        means, there = [], np.ones(len(second), dtype=bool)
        for one in (0, 1):
            here = np.flatnonzero(self.fold == one)
            rows = np.bincount(blocks[here], minlength=second.shape[1]).astype(np.float64)
            sums = np.zeros((second.shape[1], len(self.kept)))
            np.add.at(sums, blocks[here], self.matrix[here])
            chosen, dealt = second @ rows, second @ sums
            others = rows.sum() - chosen
            apart = dealt / np.maximum(chosen, 1.0)[:, None]
            means.append(apart - (sums.sum(axis=0) - dealt) / np.maximum(others, 1.0)[:, None])
            there &= np.minimum(chosen, others) > 0
        return means, there

    def _scores(self, second: np.ndarray) -> tuple[Floats, Floats]:
        scores, weights = np.zeros(len(self.fold)), np.zeros(len(self.kept))
        for one in (0, 1):
            learnt = self.fold != one
            a, b = learnt & second, learnt & ~second
            if not a.any() or not b.any():
                continue
            direction = self._inverse[one] @ (self.matrix[a].mean(axis=0) - self.matrix[b].mean(axis=0))
            scores[~learnt] = self.matrix[~learnt] @ direction
            weights += direction / 2.0
        return scores, weights

    def _auc(self, scores: Floats, second: np.ndarray) -> tuple[float, Floats]:
        """Mean over folds, and of each row the share of the other side's rows of its fold that it lies right of."""
        placed, found = np.full(len(scores), np.nan), []
        for one in (0, 1):
            here = self.fold == one
            a, b = np.flatnonzero(here & second), np.flatnonzero(here & ~second)
            if len(a) and len(b):
                placed[a] = _placements(scores[a], scores[b])
                placed[b] = 1.0 - _placements(scores[b], scores[a])
                found.append(float(placed[a].mean()))
        return (float(np.mean(found)) if found else 0.5), placed

    def _by(self, second: np.ndarray, weights: Floats) -> dict[str, float]:
        """Share of the distance between both means along the direction that each column's features carry."""
        if not second.any() or second.all():
            return {}
        apart = self.matrix[second].mean(axis=0) - self.matrix[~second].mean(axis=0)
        return _carried(weights * apart, self.owners)


class Against:
    """Rows of two folds, factorised once, that windows are told from: a window costs its own rows and little more.

    features: of the rows; fold: (n,) 0 or 1, alike for neighbours; blocks: (n,), which rows belong together.
    """

    def __init__(self, features: Features, fold: Ints, blocks: Ints) -> None:
        self._centre = features.matrix.mean(axis=0)
        spread = features.matrix.std(axis=0)
        # What never varied may do so from now on: a column that is missing for the first time.
        self._spread = np.where(spread > 1e-9, spread, NEVER_VARIED)
        matrix = (features.matrix - self._centre) / self._spread
        self.owners = features.owners
        self.blocks = [blocks[fold == one] for one in (0, 1)]
        self.matrix = [np.ascontiguousarray(matrix[fold == one]) for one in (0, 1)]
        self._grams = [held.T @ held for held in self.matrix]
        self._means = [held.mean(axis=0) if len(held) else np.zeros(matrix.shape[1]) for held in self.matrix]

    def told(self, features: Features, fold: Ints, blocks: Ints) -> Told:
        """How well other rows, with the same features, are told from these; arguments as of these."""
        live = (features.matrix - self._centre) / self._spread
        parts = [live[fold == one] for one in (0, 1)]
        if not all(len(part) and len(held) for part, held in zip(parts, self.matrix, strict=True)):
            return Told(0.5, 0.0, 1.0, {})
        here, there, weights = [], [], np.zeros(live.shape[1])
        for one in (0, 1):
            direction = self._direction(parts[1 - one], 1 - one)
            mine, others = parts[one] @ direction, self.matrix[one] @ direction
            here.append(_placements(mine, others))
            there.append(1.0 - _placements(others, mine))
            weights += direction / 2.0
        auc = float(np.mean([placed.mean() for placed in here]))
        own = [blocks[fold == one] for one in (0, 1)]
        spread = _spread(np.concatenate(here), np.concatenate(own), np.concatenate(there), np.concatenate(self.blocks))
        apart = live.mean(axis=0) - (len(self.matrix[0]) * self._means[0] + len(self.matrix[1]) * self._means[1]) / (
            len(self.matrix[0]) + len(self.matrix[1])
        )
        by = _carried(weights * apart, self.owners)
        return Told(auc, max(auc - 1.96 * spread, 0.0), min(auc + 1.96 * spread, 1.0), by)

    def _direction(self, part: Floats, fold: int) -> Floats:
        scatter = (self._grams[fold] + part.T @ part) / (len(self.matrix[fold]) + len(part))
        ridge = RIDGE * np.eye(len(scatter))
        found: Floats = np.linalg.solve(scatter + ridge, part.mean(axis=0) - self._means[fold])
        return found


def _carried(parts: Floats, owners: Sequence[tuple[str, ...]]) -> dict[str, float]:
    """Share of each column in what its features carry, the most first."""
    total: dict[str, float] = {}
    for names, part in zip(owners, np.maximum(parts, 0.0).tolist(), strict=True):
        for name in names:
            total[name] = total.get(name, 0.0) + part / len(names)
    whole = sum(total.values()) or 1.0
    most = sorted(total.items(), key=lambda item: -item[1])[:10]
    return {name: round(part / whole, 4) for name, part in most if part > 0}


def _placements(these: Floats, others: Floats) -> Floats:
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, these, side="left"), np.searchsorted(ordered, these, side="right")
    return np.asarray((below + upto) / (2.0 * len(ordered)), dtype=np.float64)


def _spread(one: Floats, one_blocks: Ints, two: Floats, two_blocks: Ints) -> float:
    """Standard error of an AUC by the placements of both sides (DeLong, 1988), blocks of rows as observations."""
    variance = 0.0
    for placed, blocks in ((one, one_blocks), (two, two_blocks)):
        known = np.isfinite(placed)
        if not known.any():
            return 1.0
        _, codes = np.unique(blocks[known], return_inverse=True)
        n = int(codes.max()) + 1
        if n < 2:
            return 1.0
        sums = np.bincount(codes, placed[known] - placed[known].mean(), n)
        variance += float((sums**2).sum()) / known.sum() ** 2 * n / (n - 1)
    # Each fold is judged by what the other taught, so that they do not vary by themselves: half of what is gained by
    # judging twice. Source: Nadeau and Bengio, Inference for the generalization error (2003).
    return float(np.sqrt(2.0 * variance))
