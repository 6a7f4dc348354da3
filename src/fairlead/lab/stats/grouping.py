"""How good a clustering is: by its own geometry, by how it holds when rows are drawn anew, and by known groups."""

from __future__ import annotations

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints

GEOMETRY_ROWS = 2_000
"""Rows that distances between all pairs are taken of; drawn with a seed."""


def shape_metrics(features: Floats, clusters: Ints, seed: int = 0) -> dict[str, float]:
    """silhouette (Rousseeuw, 1987), calinski_harabasz (1974) and davies_bouldin (1979; lower is better), on at most
    2,000 rows; largest_share and smallest_share of the clusters that have rows; of all rows.

    features: (n, f) as the model sees them; clusters: (n,). With one cluster alone only the shares are defined.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    _, codes, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    found = {"largest_share": float(counts.max() / counts.sum()), "smallest_share": float(counts.min() / counts.sum())}
    rows = np.arange(len(codes))
    if len(rows) > GEOMETRY_ROWS:
        rows = np.sort(np.random.default_rng([seed, 7]).choice(rows, GEOMETRY_ROWS, replace=False))
    kinds = len(np.unique(codes[rows]))
    if 2 <= kinds < len(rows):
        for name, measure in (
            ("silhouette", silhouette_score),
            ("calinski_harabasz", calinski_harabasz_score),
            ("davies_bouldin", davies_bouldin_score),
        ):
            found[name] = float(measure(features[rows], codes[rows]))
    return found


def silhouettes(features: Floats, clusters: Ints, seed: int = 0) -> Floats:
    """The silhouette of each of at most 2,000 rows, (m,); empty where there are fewer than two clusters."""
    from sklearn.metrics import silhouette_samples

    rows = np.arange(len(clusters))
    if len(rows) > GEOMETRY_ROWS:
        rows = np.sort(np.random.default_rng([seed, 7]).choice(rows, GEOMETRY_ROWS, replace=False))
    if not 2 <= len(np.unique(clusters[rows])) < len(rows):
        return np.zeros(0)
    return np.asarray(silhouette_samples(features[rows], clusters[rows]), dtype=np.float64)


def agreement(truth: Ints, clusters: Ints, weights: Floats) -> dict[str, Floats]:
    """adjusted_rand (Hubert and Arabie, 1985) and nmi (normalised mutual information, by the arithmetic mean of the
    entropies) between known groups and clusters, of many resamples at once: each (draws,).

    truth, clusters: (n,) codes; weights: (draws, n), how often each row was drawn.
    """
    _, a = np.unique(truth, return_inverse=True)
    _, b = np.unique(clusters, return_inverse=True)
    if not len(a):
        return {}
    kinds, groups = int(b.max()) + 1, int(a.max()) + 1
    cell = a * kinds + b
    tables = np.stack([np.bincount(cell, row, groups * kinds) for row in weights]).astype(np.float64)
    tables = tables.reshape(-1, groups, kinds)
    rows, columns, total = tables.sum(axis=2), tables.sum(axis=1), tables.sum(axis=(1, 2))
    pairs = _pairs(tables).sum(axis=(1, 2))
    by_row, by_column, every = _pairs(rows).sum(axis=1), _pairs(columns).sum(axis=1), _pairs(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = by_row * by_column / every
        highest = (by_row + by_column) / 2.0
        rand = np.where(highest == expected, 1.0, (pairs - expected) / (highest - expected))
        h_rows, h_columns = _entropy(rows, total), _entropy(columns, total)
        both = _entropy(tables.reshape(len(tables), -1), total)
        mean = (h_rows + h_columns) / 2.0
        shared = np.where(mean > 0, np.maximum(h_rows + h_columns - both, 0.0) / mean, 1.0)
    return {"adjusted_rand": rand, "nmi": shared}


def _pairs(counts: Floats) -> Floats:
    found: Floats = counts * (counts - 1.0) / 2.0
    return found


def _entropy(counts: Floats, total: Floats) -> Floats:
    shares = counts / total[:, None]
    found: Floats = -(np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1.0)), 0.0)).sum(axis=1)
    return found


def same_grouping(one: Ints, other: Ints) -> float:
    """The adjusted Rand index of two clusterings of the same rows: 1 where they are the same but for names."""
    return float(agreement(one, other, np.ones((1, len(one))))["adjusted_rand"][0])
