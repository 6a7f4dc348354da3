"""Correlations from sums that add: no row is looked at twice, and sums of blocks give those of any set of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import Profile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.measures import Floats

LEAST_PRESENT = 0.5
"""Share of a column's cells that must be there for its correlations to be told."""


class Sums(NamedTuple):
    """Over rows, in the order of the numeric columns: gram (..., m, m) of z with 0 for missing cells, sums and squares
    of z over cells that are there (..., m), how many there are (..., m), and rows (...,)."""

    gram: Floats
    z: Floats
    zz: Floats
    present: Floats
    rows: Floats


def names_of(profile: Profile) -> tuple[str, ...]:
    """The columns that a profile's gram matrix is over."""
    return tuple(c.bins.name for c in profile.columns if c.bins.kind in NUMERIC)


def sums_of(profiles: Sequence[Profile]) -> Sums | None:
    """The sums of each profile, stacked; None where one of them has no gram matrix."""
    if not profiles or any(not p.gram for p in profiles):
        return None
    kept = [[c for c in p.columns if c.bins.kind in NUMERIC] for p in profiles]
    return Sums(
        np.asarray([p.gram for p in profiles], dtype=np.float64),
        np.asarray([[c.z for c in held] for held in kept], dtype=np.float64),
        np.asarray([[c.zz for c in held] for held in kept], dtype=np.float64),
        np.asarray([[c.rows - c.missing for c in held] for held in kept], dtype=np.float64),
        np.asarray([p.rows for p in profiles], dtype=np.float64),
    )


def added(sums: Sums, weights: Floats) -> Sums:
    """Sums over sets of blocks. sums: of (blocks, ...); weights: (sets, blocks). Shapes (sets, ...)."""
    m = sums.z.shape[1]
    gram = (weights @ sums.gram.reshape(len(sums.gram), -1)).reshape(-1, m, m)
    return Sums(gram, weights @ sums.z, weights @ sums.zz, weights @ sums.present, weights @ sums.rows)


def correlations(sums: Sums) -> Floats:
    """Pearson's correlation of every two columns, (..., m, m); NaN where a column does not vary or half is missing.

    Of two columns with gaps the sums do not say in how many rows both are there: gaps are taken to fall independently
    of one another, so that their product is the share. Where they fall together, a correlation is told too large by
    at most the factor of the missing share; columns of which more than half is missing are left out.

    >>> z = np.array([[-1.0, -1.0], [0.0, 0.1], [1.0, 0.9]])
    >>> sums = Sums(z.T @ z, z.sum(axis=0), (z * z).sum(axis=0), np.array([3.0, 3.0]), np.array(3.0))
    >>> bool(abs(correlations(sums)[0, 1] - np.corrcoef(z.T)[0, 1]) < 1e-12)
    True
    """
    rows = np.maximum(sums.rows, 1.0)[..., None]
    share = sums.present / rows
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.z / sums.present
        variance = sums.zz / sums.present - mean * mean
        both = rows[..., None] * share[..., :, None] * share[..., None, :]
        covariance = sums.gram / both - mean[..., :, None] * mean[..., None, :]
        scale = np.sqrt(np.where(variance > 1e-12, variance, np.nan))
        found = covariance / (scale[..., :, None] * scale[..., None, :])
    thin = share < LEAST_PRESENT
    found = np.where(thin[..., :, None] | thin[..., None, :], np.nan, found)
    return np.asarray(np.clip(found, -1.0, 1.0), dtype=np.float64)
