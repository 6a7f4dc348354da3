"""Margins as probabilities: a sigmoid fitted to margins that the model gave to rows it had not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats

ROUNDS, SMALLEST_STEP, RIDGE = 100, 1e-10, 1e-12


def platt(margins: Floats, events: Floats, weights: Floats) -> tuple[float, float]:
    """slope and intercept of p = 1 / (1 + exp(-(slope * margin + intercept))).

    margins, events (0 or 1), weights: shape (n,). Targets are drawn in from 0 and 1 by what one more row of each
    class would say. Newton's method with a line search. Source: Platt, Probabilistic outputs for support vector
    machines (1999); Lin, Lin and Weng, A note on Platt's probabilistic outputs (2007).
    """
    yes = float(weights @ events)
    no = float(weights.sum()) - yes
    aims = np.where(events > 0.5, (yes + 1.0) / (yes + 2.0), 1.0 / (no + 2.0))
    # In deviations of the margins, or the ridge would mean another thing for every model.
    size = float(np.sqrt(np.average(margins**2, weights=weights))) or 1.0
    x = np.column_stack((margins / size, np.ones(len(margins))))
    found = np.array([0.0, float(np.log((yes + 1.0) / (no + 1.0)))])
    loss = _loss(x @ found, aims, weights)
    for _ in range(ROUNDS):
        p = _sigmoid(x @ found)
        pull = x.T @ (weights * (p - aims))
        curve = (x * (weights * p * (1.0 - p))[:, None]).T @ x + RIDGE * np.eye(2)
        step = np.linalg.solve(curve, pull)
        size_of_step = 1.0
        while size_of_step > SMALLEST_STEP:
            tried = found - size_of_step * step
            after = _loss(x @ tried, aims, weights)
            if after <= loss - 1e-4 * size_of_step * float(pull @ step):
                break
            size_of_step /= 2.0
        else:
            break
        gained, found, loss = loss - after, tried, after
        if gained <= 1e-12 * max(1.0, abs(loss)):
            break
    return float(found[0] / size), float(found[1])


def _loss(raw: Floats, aims: Floats, weights: Floats) -> float:
    return float(weights @ (np.logaddexp(0.0, raw) - aims * raw))


def _sigmoid(raw: Floats) -> Any:
    tilt = np.exp(-np.abs(raw))
    return np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
