"""How far the next value may lie when few were seen and large ones are what matters."""

from __future__ import annotations

import numpy as np


def once_in(values: np.ndarray, rate: float) -> float:
    """Height that one more value like these exceeds with probability `rate`: Gumbel by moments, with one standard
    error more, and at least the largest seen. values: (n,), n >= 2. Source: Gumbel, Statistics of Extremes (1958).

    >>> bool(once_in(np.arange(50.0), 0.001) > 100.0)
    True
    """
    known = np.asarray(values, dtype=np.float64)
    rate = min(max(rate, 1e-12), 0.5)
    beta = float(known.std(ddof=1)) * np.sqrt(6.0) / np.pi
    mode = float(known.mean()) - np.euler_gamma * beta
    quantile = mode - beta * np.log(-np.log1p(-rate))
    doubt = beta * np.sqrt((1.11 + 0.52 * (-np.log(rate)) + 0.61 * np.log(rate) ** 2) / known.size)
    return max(float(quantile + doubt), float(known.max()))
