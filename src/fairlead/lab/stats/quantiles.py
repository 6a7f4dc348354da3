"""Quantiles of the distributions that intervals and limits are made of.

By scipy.special: scipy.stats, which has them too, takes a second of a process to import.
"""

from __future__ import annotations


def student(p: float, freedom: float) -> float:
    """The value below which Student's t with `freedom` > 0 degrees lies with probability `p` (0 to 1)."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def normal(p: float) -> float:
    """The value below which a standard normal lies with probability `p` (0 to 1)."""
    from scipy.special import ndtri

    return float(ndtri(p))


def gamma(p: float, shape: float, scale: float) -> float:
    """The value below which a gamma distribution of `shape` and `scale` > 0 lies with probability `p` (0 to 1)."""
    from scipy.special import gammaincinv

    return float(gammaincinv(shape, p)) * scale
