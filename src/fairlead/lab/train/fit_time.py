"""How long a search will take, told before it begins: fits of growing parts of the rows, a power law through them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import targets
from fairlead.lab.train.learning import learn

FEWEST_ROWS = 5_000
SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8)
WORTH_S = 10.0
"""A search that the smallest parts say is over sooner is not forecast: it would be over before the forecast is."""
LONGEST_S = 5.0
Clock = Callable[[], float]


class FitTime(msgspec.Struct, frozen=True):
    """Of one learner with its defaults. points: (rows, seconds) measured; exponent: of the rows in the power law;
    seconds: of one fit on all the rows that a fold learns from, with its 95 % interval.
    """

    learner: str
    points: tuple[tuple[int, float], ...]
    exponent: float
    seconds: Interval


class Forecast(msgspec.Struct, frozen=True):
    """Of a whole search. seconds: all trials and the last fit, if `[train] seconds` does not cut it short; took: what
    it took, None while it runs; fits: how many there are.
    """

    learners: tuple[FitTime, ...]
    fits: int
    seconds: Interval
    took: float | None = None


def power_law(points: Sequence[tuple[int, float]], rows: int) -> tuple[float, Interval]:
    """The exponent b of seconds = a rows^b, and the seconds at `rows` with their 95 % prediction interval.

    Fitted to logarithms by least squares, larger parts weighing more, as what a fit takes whatever its rows bends the
    law at small ones; b within [0.3, 3]. Fewer than three points: an interval from half to double.
    """
    x, y = np.log([p[0] for p in points]), np.log([max(p[1], 1e-6) for p in points])
    weights = np.sqrt(np.exp(x - x.max()))
    if len(points) < 3:
        value = float(np.exp(y[-1]) * (rows / points[-1][0]))
        return 1.0, Interval(value, value / 2.0, value * 2.0)
    b, _ = np.polyfit(x, y, 1, w=weights)
    b = float(np.clip(b, 0.3, 3.0))
    a = float(np.average(y - b * x, weights=weights))
    left = float(np.sqrt(np.average((y - a - b * x) ** 2, weights=weights)))
    # Two parameters from few points, far beyond them: half as much again for every doubling ahead.
    far = max(np.log2(rows / points[-1][0]), 0.0)
    half = 2.0 * left * (1.0 + 0.5 * far) + 0.05 * far
    value = float(np.exp(a + b * np.log(rows)))
    return b, Interval(value, value * float(np.exp(-half)), value * float(np.exp(half)))


def forecast(
    bench: Bench, learners: Sequence[Any], *, trials: int, seed: int, clock: Clock = time.perf_counter
) -> Forecast | None:
    """What a search of so many trials, learners in turn, will take. None where that is not worth the asking.

    Parts of the rows of the first fold are fitted with each learner's defaults, from 1/64 to 1/8 of them, none after
    one that took 5 seconds: about a quarter of one fit. What tuning makes slower or faster is not in it.
    """
    rows = len(bench.learned(0))
    if rows < FEWEST_ROWS:
        return None
    features, _ = bench.prepared(0)
    folds, found = len(bench.folds), []
    for number, learner in enumerate(learners):
        turns = len(range(number, trials, len(learners)))
        timed = _timed(bench, learner, features, seed, clock)
        if not timed:
            continue
        if number == 0 and timed[-1][1] * (rows / timed[-1][0]) * folds * trials < WORTH_S:
            return None
        exponent, seconds = power_law(timed, rows)
        found.append((turns * folds, FitTime(learner.name, tuple(timed), round(exponent, 3), seconds)))
    if not found:
        return None
    last = max(one.seconds.value for _, one in found)
    total = [sum(fits * getattr(one.seconds, end) for fits, one in found) + last for end in ("value", "low", "high")]
    return Forecast(tuple(one for _, one in found), sum(fits for fits, _ in found) + 1, Interval(*total))


def _timed(bench: Bench, learner: Any, features: Floats, seed: int, clock: Clock) -> list[tuple[int, float]]:
    """Seconds of fits on growing parts, spread evenly over the rows so that time and classes are in each."""
    material, rows = bench.material, bench.learned(0)
    signature, parameters = material.signature, learner.default(material.rows)
    timed: list[tuple[int, float]] = []
    for share in SHARES:
        part = np.linspace(0, len(rows) - 1, max(round(share * len(rows)), 50)).astype(np.int64)
        truth = material.truth[rows[part]]
        if signature.task == "classification" and len(set(truth)) < 2:
            continue
        weights = material.fit_weights(rows[part])
        clusters = None if material.clusters is None else material.clusters[rows[part]]
        started = clock()
        with few_threads(len(part)):
            learn(
                learner, signature.task, parameters, seed, features[part], targets(truth, signature),
                weights=weights, terms=replace(bench.terms(0), clusters=clusters), ordered=material.times is not None,
            )  # fmt: skip
        timed.append((len(part), clock() - started))
        if timed[-1][1] > LONGEST_S:
            break
    return timed


def told(found: Forecast, limit: float) -> str:
    """A forecast in a sentence. limit: `[train] seconds`."""
    spread = f"{_time(found.seconds.value)} ({_time(found.seconds.low)} to {_time(found.seconds.high)})"
    cut = f"; [train] seconds ends it after {_time(limit)}" if limit < found.seconds.value else ""
    return f"{found.fits:,} fits will take about {spread}{cut}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
