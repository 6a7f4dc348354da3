"""Evidence that stays valid however often one looks: e-processes, confidence sequences, e-detectors.

An e-process is a bet against a hypothesis: its expectation never exceeds 1 while
the hypothesis holds, so it reaches 1 / alpha with probability at most alpha, at
any time and under any stopping rule (Ville's inequality).

Sources: Waudby-Smith and Ramdas, Estimating means of bounded random variables by
betting (JRSS B, 2023); Howard, Ramdas, McAuliffe and Sekhon, Time-uniform,
nonparametric, nonasymptotic confidence sequences (Annals of Statistics, 2021);
Shin, Ramdas and Rinaldo, E-detectors (2023); Pérez-Ortiz, Lardy, de Heide and
Grünwald, E-statistics, group invariance and anytime-valid testing (Annals of
Statistics, 2024); Lindon and Malek, Anytime-valid inference for multinomial
count data (NeurIPS, 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from fairlead.contract.errors import ShapeMismatch

# Bets stay below the largest that could lose everything in one step.
CAUTION = 0.75
PARTS, ROUNDS = 8, 8
SHIFTS = (0.5, 1.0, 2.0, 4.0)


def log_wealth(values: np.ndarray, mean: float, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Log e-process against "the mean is at most `mean`", after each of the values: (n,).

    values: (n,), each in [low, high]. One-sided bets by the approximate growth-rate-adaptive rule of
    Waudby-Smith and Ramdas (2023, section B.3), each chosen from earlier values alone. For "at least",
    pass the negated values, mean and bounds. Raises ShapeMismatch when a value lies outside the bounds.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise ShapeMismatch(f"values of shape {x.shape}; (n,) is needed")
    if x.size == 0:
        return np.zeros(0)
    if not (np.isfinite(x).all() and x.min() >= low - 1e-12 and x.max() <= high + 1e-12):
        raise ShapeMismatch(f"values must lie within [{low}, {high}]")
    return _wealth(x, mean, low, _earlier_moments(x, low, high))


def _wealth(x: np.ndarray, mean: float | np.ndarray, low: float, moments: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """`log_wealth` of values whose earlier moments are known: they are the same for every mean. (n,) for one mean,
    (k, n) for means of (k, 1)."""
    centre, variance = moments
    gain = centre - mean
    limit = CAUTION / np.maximum(mean - low, 1e-12)
    bets = np.minimum(np.maximum(gain / (variance + gain * gain), 0.0), limit)
    return np.cumsum(np.log1p(bets * (x - mean)), axis=-1)


def _earlier_moments(x: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the values before each one, started at the middle and a quarter of the range."""
    n = np.arange(1, x.size + 1)
    middle, prior = (low + high) / 2.0, ((high - low) / 4.0) ** 2
    means = (middle + np.cumsum(x)) / (n + 1.0)
    spread = (prior + np.cumsum((x - means) ** 2)) / (n + 1.0)
    centre = np.concatenate([[middle], means[:-1]])
    variance = np.concatenate([[prior], spread[:-1]])
    return centre, np.maximum(variance, 1e-10)


def mean_bounds(values: np.ndarray, alpha: float = 0.05, low: float = -1.0, high: float = 1.0) -> tuple[float, float]:
    """Confidence sequence of the mean at its newest time: lower and upper bound, each with error at most alpha / 2.

    values: (n,), in [low, high]. Inverts `log_wealth`: a mean is excluded once the bet against it ever reached
    2 / alpha. Without values the whole range.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return low, high
    bar = math.log(2.0 / alpha)
    lower = _edge(x, bar, low, high)
    upper = -_edge(-x, bar, -high, -low)
    return lower, max(lower, upper)


def _edge(x: np.ndarray, bar: float, low: float, high: float) -> float:
    """The largest mean that the values exclude from below, asking several at once: calls
    cost more than values do."""
    inside, outside = float(np.clip(x.mean(), low, high)), low
    if log_wealth(x, outside + 1e-9 * (high - low), low, high).max() < bar:
        return low
    moments = _earlier_moments(x, low, high)
    for _ in range(ROUNDS):
        means = np.linspace(outside, inside, PARTS + 1)
        beyond = _wealth(x, means[1:-1, None], low, moments).max(axis=1) >= bar
        # As many as follow each other from the excluded end.
        last = PARTS - 1 if beyond.all() else int(np.argmin(beyond))
        outside, inside = float(means[last]), float(means[last + 1])
    return outside


def empirical_bernstein_bounds(
    values: np.ndarray, alpha: float = 0.05, low: float = 0.0, high: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Predictable plug-in empirical-Bernstein confidence sequence, after each value: two arrays (n,).

    Closed form, so cheap for long series, a little wider than `mean_bounds`; the running intersection is returned.
    Source: Waudby-Smith and Ramdas (2023), theorem 2.
    """
    span = high - low
    x = (np.asarray(values, dtype=np.float64) - low) / span
    if x.size == 0:
        return np.zeros(0), np.zeros(0)
    centre, variance = _earlier_moments(x, 0.0, 1.0)
    n = np.arange(1, x.size + 1)
    weights = np.minimum(np.sqrt(2.0 * math.log(2.0 / alpha) / (variance * n * np.log1p(n))), CAUTION)
    cost = -np.log1p(-weights) - weights
    total = np.cumsum(weights)
    middle = np.cumsum(weights * x) / total
    width = (math.log(2.0 / alpha) + np.cumsum((x - centre) ** 2 * cost)) / total
    lower = np.maximum.accumulate(np.clip(middle - width, 0.0, 1.0))
    upper = np.minimum.accumulate(np.clip(middle + width, 0.0, 1.0))
    return low + span * lower, low + span * upper


def shift_evidence(before: np.ndarray, after: np.ndarray, shifts: Sequence[float] = SHIFTS) -> np.ndarray:
    """Evidence that the level rose at each possible start within `after`: (len(after),), one e-value a start.

    Entry j bets that after[j:] lie higher than `before`, by one of `shifts` standard deviations (equal prior
    weights), and takes part in the bet from there on. Neither mean nor deviation need be known: the bet is the
    likelihood ratio of the two-sample t statistic, which is the same for every mean and deviation, and an
    e-process for normal values (Pérez-Ortiz et al. 2024). So few values before mean little confidence, as they must.
    before: (n,), n >= 3; after: (m,).
    """
    reference, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    n = reference.size
    if n < 3:
        raise ShapeMismatch(f"{n} values before; at least 3 are needed")
    if new.size == 0:
        return np.zeros(0)
    centre = reference.mean()
    scatter = float(((reference - centre) ** 2).sum())
    counts = np.arange(new.size, 0, -1, dtype=np.float64)
    tails = np.cumsum(new[::-1])[::-1] / counts
    inner = np.cumsum((new - centre)[::-1] ** 2)[::-1] - counts * (tails - centre) ** 2
    freedom = n + counts - 2.0
    # A floor under the scatter: rounding of a constant loss must not look like certainty.
    pooled = np.sqrt(np.maximum(scatter + inner, 1e-18) / freedom)
    factor = np.sqrt(n * counts / (n + counts))
    t = (tails - centre) / pooled * factor
    offsets = np.asarray(shifts, dtype=np.float64)[:, None] * factor[None, :]
    found: np.ndarray = np.exp(np.minimum(_log_t_ratio(t, freedom, offsets), 600.0)).mean(axis=0)
    return found


def _log_t_ratio(t: np.ndarray, freedom: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Log of the noncentral over the central t density at t: (k, m). offsets: (k, m) noncentralities.

    f(t | d) / f(t | 0) = exp(-d^2 v / (2 (v + t^2))) * I(a) / I(0) with a = d t / sqrt(v + t^2) and
    I(a) = integral over u > 0 of u^v exp(-(u - a)^2 / 2), summed here on a grid around its peak.
    """
    v = freedom[None, :]
    whole = v + t[None, :] ** 2
    a = offsets * t[None, :] / np.sqrt(whole)
    found: np.ndarray = -(offsets**2) * v / (2.0 * whole) + _log_integral(a, v) - _central(freedom.tobytes())
    return found


@lru_cache(maxsize=512)
def _central(freedom: bytes) -> np.ndarray:
    """`_log_integral` at 0 for these degrees of freedom (m,), the same whatever is compared: (1, m)."""
    v = np.frombuffer(freedom, dtype=np.float64)[None, :]
    return _log_integral(np.zeros_like(v), v)


def _log_integral(a: np.ndarray, v: np.ndarray) -> np.ndarray:
    peak = (a + np.sqrt(a * a + 4.0 * v)) / 2.0
    top = v * np.log(peak) - (peak - a) ** 2 / 2.0
    # The integrand is log-concave with curvature of at least 1: 9 to either side of the peak leaves out nothing.
    steps = np.linspace(-9.0, 9.0, 181)
    u = peak[..., None] + steps
    inside = np.where(u > 0.0, u, 1.0)
    logs = v[..., None] * np.log(inside) - (u - a[..., None]) ** 2 / 2.0 - top[..., None]
    found: np.ndarray = top + np.log(np.where(u > 0.0, np.exp(logs), 0.0).sum(axis=-1) * (steps[1] - steps[0]))
    return found


def shiryaev_roberts(before: np.ndarray, after: np.ndarray, shifts: Sequence[float] = SHIFTS) -> float:
    """Evidence that the level rose at some time within `after`: the sum of `shift_evidence` over starts.

    While nothing changes its expectation is at most len(after), so an alarm at a threshold c comes on average
    at most once in c values. Source: Shin, Ramdas and Rinaldo (2023).
    """
    return float(shift_evidence(before, after, shifts).sum())


def split_evidence(counts: Sequence[int], weights: Sequence[float]) -> float:
    """E-value against "requests were split by `weights`": sample-ratio mismatch, valid at any time.

    counts: assigned per variant; weights: intended shares, summing to 1. A Dirichlet mixture centred on the
    weights bets against them (Lindon and Malek 2022).
    """
    observed, shares = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if observed.shape != shares.shape:
        raise ShapeMismatch(f"{observed.size} counts for {shares.size} weights")
    if observed.sum() <= 0:
        return 1.0
    if np.any((shares <= 0) & (observed > 0)):
        return math.inf
    kept = shares > 0
    observed, shares = observed[kept], shares[kept] / shares[kept].sum()
    prior = 100.0 * shares
    log = math.lgamma(prior.sum()) - math.lgamma(prior.sum() + observed.sum())
    log += sum(math.lgamma(p + c) - math.lgamma(p) for p, c in zip(prior, observed, strict=True))
    log -= float((observed * np.log(shares)).sum())
    return math.exp(min(log, 600.0))
