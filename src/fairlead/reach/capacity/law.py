"""How throughput grows with workers: the universal scalability law, fitted to brackets, with an interval.

X(N) = λN / (1 + σ(N - 1) + κN(N - 1)); λ: what one worker carries; σ: the share that waits for what is shared; κ: what
workers cost each other pair by pair. Source: Gunther, Guerrilla Capacity Planning (2007), chapters 4 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import msgspec
import numpy as np

from fairlead.contract.errors import Inconclusive

DRAWS = 1000
SEED = 20260101


class Point(msgspec.Struct, frozen=True):
    """What so many workers carry lies between `low` and `high`, requests a second; equal where it is known."""

    workers: int
    low: float
    high: float


class Law(msgspec.Struct, frozen=True):
    """A fitted law. rate: λ; contention: σ; coherency: κ; each with its 95 % interval. draws: what intervals are of.

    assumed: what too few points could not say and was taken for nought, in words; empty where all was fitted.
    """

    rate: tuple[float, float, float]
    contention: tuple[float, float, float]
    coherency: tuple[float, float, float]
    measured: tuple[int, ...]
    assumed: str
    draws: tuple[tuple[float, float, float], ...]

    def at(self, workers: int) -> tuple[float, float, float]:
        """(expected, low, high) of what so many workers carry."""
        found = [carried(workers, *draw) for draw in self.draws]
        low, high = np.quantile(found, (0.025, 0.975))
        return carried(workers, self.rate[0], self.contention[0], self.coherency[0]), float(low), float(high)

    def within(self, workers: int) -> bool:
        """Whether so many lie between the fewest and the most that were measured."""
        return min(self.measured) <= workers <= max(self.measured)

    @property
    def peak(self) -> float:
        """Workers beyond which more carry less; infinite where nothing shows one."""
        sigma, kappa = self.contention[0], self.coherency[0]
        return math.inf if kappa <= 0 else math.sqrt(max(0.0, 1 - sigma) / kappa)


def carried(workers: int, rate: float, contention: float, coherency: float) -> float:
    """The law itself: requests a second."""
    return rate * workers / (1 + contention * (workers - 1) + coherency * workers * (workers - 1))


def fit_law(points: Sequence[Point]) -> Law:
    """The law that lies closest to the middles of the brackets, in relative terms; σ and κ are not below nought.

    One number of workers says nothing of scaling (σ = κ = 0 is assumed), two nothing of κ. Intervals are of DRAWS fits
    to points drawn within their brackets, scattered as the points scatter about the law. Raises Inconclusive for no
    point at all.
    """
    usable = [point for point in points if point.low > 0 and math.isfinite(point.high)]
    if not usable:
        raise Inconclusive("no number of workers was measured up to its limit: nothing to fit a law to.")
    workers = np.array([point.workers for point in usable], dtype=np.float64)
    low = np.array([point.low for point in usable])
    high = np.array([max(point.low, point.high) for point in usable])
    kinds = len(set(workers.tolist()))
    free = min(3, kinds)
    middle = (low + high) / 2
    best = [float(value) for value in _fitted(workers, middle[None, :], free)[0]]
    spare = len(usable) - free
    residual = middle / np.array([carried(int(n), *best) for n in workers]) - 1
    scatter = math.sqrt(float(np.sum(residual**2)) / spare) if spare > 0 else 0.0
    random = np.random.default_rng(SEED)
    drawn = random.uniform(low, high, (DRAWS, len(usable))) * np.maximum(
        0.05, 1 + scatter * random.standard_normal((DRAWS, len(usable)))
    )
    draws = _fitted(workers, drawn, free)
    bounds = np.quantile(draws, (0.025, 0.975), axis=0)
    said = [(best[at], float(bounds[0][at]), float(bounds[1][at])) for at in range(3)]
    return Law(
        rate=said[0],
        contention=said[1],
        coherency=said[2],
        measured=tuple(sorted({point.workers for point in usable})),
        assumed={1: "that workers add up, as one number of them was measured", 2: "no cost between pairs (κ = 0), as "
                 "two numbers of workers were measured"}.get(kinds, ""),
        draws=tuple((float(one[0]), float(one[1]), float(one[2])) for one in draws),
    )  # fmt: skip


def _fitted(workers: np.ndarray, rates: np.ndarray, free: int) -> np.ndarray:
    """(λ, σ, κ) a row of `rates` (m, points), by least squares of N/X = 1/λ + (σ/λ)(N - 1) + (κ/λ)N(N - 1), relative
    to N/X, none below nought.

    Of three coefficients each subset that may be nought is tried: the exact answer of so small a problem.
    """
    terms = np.stack([np.ones_like(workers), workers - 1, workers * (workers - 1)], axis=1)[:, :free]
    design = terms * (rates / workers)[:, :, None]
    best, error = np.zeros((len(rates), 3)), np.full(len(rates), np.inf)
    for kept in product((True, False), repeat=free - 1):
        chosen = [0, *(at + 1 for at, keep in enumerate(kept) if keep)]
        part = design[:, :, chosen]
        scale = np.linalg.norm(part, axis=1, keepdims=True)
        found = np.linalg.pinv(part / scale).sum(axis=2) / scale[:, 0, :]
        missed = ((part @ found[:, :, None])[:, :, 0] - 1) ** 2
        better = (found[:, 0] > 0) & (found[:, 1:] >= 0).all(axis=1) & (missed.sum(axis=1) < error)
        error = np.where(better, missed.sum(axis=1), error)
        whole = np.zeros((len(rates), 3))
        whole[:, chosen] = found
        best[better] = whole[better]
    return np.stack([1 / best[:, 0], best[:, 1] / best[:, 0], best[:, 2] / best[:, 0]], axis=1)
