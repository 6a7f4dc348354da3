"""Group-sequential boundaries: the error of one test spent over a few planned looks.

Between looks the test statistic is a Brownian motion at the share of the planned information, so the chance of first
crossing at each look is found by integrating its density over what has not crossed yet, look by look. With boundaries
by spending, looks need not be equally spaced, and each uses up no more error than it was given.

Sources: O'Brien and Fleming, A multiple testing procedure for clinical trials (Biometrics, 1979); Pocock, Group
sequential methods in the design and analysis of clinical trials (Biometrika, 1977); Lan and DeMets, Discrete sequential
boundaries for clinical trials (Biometrika, 1983); Armitage, McPherson and Rowe, Repeated significance tests on
accumulating data (JRSS A, 1969).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from fairlead.contract.errors import ShapeMismatch

Kind = Literal["obrien_fleming", "pocock"]
_POINTS = 801
_REACH = 8.5


def spent(fraction: float, alpha: float, kind: Kind = "obrien_fleming") -> float:
    """One-sided error that may be used up to a share of the planned information, in [0, 1]."""
    from scipy.special import ndtr, ndtri

    t = min(max(fraction, 1e-12), 1.0)
    if kind == "pocock":
        return float(alpha * math.log(1.0 + (math.e - 1.0) * t))
    return float(2.0 * (1.0 - ndtr(ndtri(1.0 - alpha / 2.0) / math.sqrt(t))))


@lru_cache(maxsize=64)
def boundaries(fractions: tuple[float, ...], alpha: float = 0.05, kind: Kind = "obrien_fleming") -> tuple[float, ...]:
    """Of z, upper boundaries at shares of the planned information that grow to at most 1: one-sided, error `alpha`.

    >>> [round(one, 2) for one in boundaries((0.5, 1.0), 0.025)]
    [2.96, 1.97]

    Raises ShapeMismatch for shares that do not grow or lie outside (0, 1].
    """
    if not fractions or any(b <= a for a, b in zip((0.0, *fractions), fractions, strict=False)) or fractions[-1] > 1:
        raise ShapeMismatch("shares of the information must grow, from above 0 to at most 1")
    found: list[float] = []
    grid, density, before, used = np.zeros(1), np.ones(1), 0.0, 0.0
    for t in fractions:
        step = math.sqrt(t - before)
        give = max(spent(t, alpha, kind) - used, 1e-15)
        bound = _boundary(grid, density, step, math.sqrt(t), give)
        found.append(bound)
        used += give
        top = bound * math.sqrt(t)
        wide = np.linspace(-_REACH * math.sqrt(t), top, _POINTS)
        density = _carried(grid, density, step, wide)
        grid, before = wide, t
    return tuple(found)


def _carried(grid: np.ndarray, density: np.ndarray, step: float, onto: np.ndarray) -> np.ndarray:
    """The density of what has not crossed yet, one look later."""
    normal = np.exp(-(((onto[:, None] - grid[None, :]) / step) ** 2) / 2.0) / (step * math.sqrt(2.0 * math.pi))
    if len(grid) == 1:
        alone: np.ndarray = normal[:, 0] * density[0]
        return alone
    weights = np.full(len(grid), grid[1] - grid[0])
    weights[[0, -1]] /= 2.0
    found: np.ndarray = normal @ (density * weights)
    return found


def _boundary(grid: np.ndarray, density: np.ndarray, step: float, scale: float, give: float) -> float:
    """The boundary (of z) that as much of the density crosses as may be spent here, by bisection."""
    from scipy.special import ndtr

    weights = np.ones(1) if len(grid) == 1 else np.full(len(grid), grid[1] - grid[0])
    if len(grid) > 1:
        weights[[0, -1]] /= 2.0
    low, high = 0.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2.0
        crossed = float((ndtr((grid - middle * scale) / step) * density * weights).sum())
        low, high = (middle, high) if crossed > give else (low, middle)
    return high


def looks_at(looks: int) -> tuple[float, ...]:
    """Equally spaced shares of the information."""
    return tuple((at + 1) / looks for at in range(looks))


def needed_rows(deviation: float, margin: float, alpha: float = 0.05, power: float = 0.9) -> int:
    """Differences until a harmless challenger passes with this chance in a test that looks once. deviation: of a
    difference; margin: the harm to be excluded.

    >>> needed_rows(0.2, 0.01)
    3426
    """
    from scipy.special import ndtri

    reach = float(ndtri(1.0 - alpha) + ndtri(power))
    return max(1, math.ceil((reach * deviation / margin) ** 2))
