"""Thresholds of groups that even out their rates, as well as fixed thresholds can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairlead.lab.stats.disparities import SMALL_GROUP
from fairlead.lab.stats.measures import Floats, Ints

Constraint = Literal["demographic_parity", "equal_opportunity", "equalised_odds"]
Objective = Literal["accuracy", "balanced_accuracy"]
CANDIDATES, PLACES = 200, 60
"""Thresholds tried of each group, and places at which their rates may meet."""
LEAST = 1e-6


@dataclass(frozen=True)
class Found:
    """thresholds: (groups,), 0.5 of those too small to tell, whose codes are `small`.

    gap: the largest difference of the rates that are evened out, among the others, on the rows it was settled by.
    met: whether that is within the bound; a rule that decides some rows by lot would meet any.
    """

    thresholds: Floats
    small: tuple[int, ...]
    gap: float
    met: bool


@dataclass(frozen=True)
class _Options:
    """One group's candidates, shape (c,) each: threshold, rates (c, r), and how much is gained."""

    at: Floats
    rates: Floats
    gain: Floats


def fit_thresholds(
    p: Floats,
    event: np.ndarray,
    groups: Ints,
    count: int,
    constraint: Constraint = "demographic_parity",
    bound: float = 0.02,
    objective: Objective = "accuracy",
) -> Found:
    """The thresholds, one a group, of the largest gain among those whose rates differ by at most `bound`.

    p: (n,) probabilities of the event, of rows that they were not learned from; event: (n,) bool; groups: (n,) codes
    below `count`, -1 for rows of no group. Where no thresholds meet the bound (equalised odds are two rates, and a
    threshold is one number), the nearest that do are taken and `met` is False. Groups with fewer than 30 rows that a
    rate is of keep 0.5. Deterministic.
    Source: Hardt, Price and Srebro, Equality of opportunity in supervised learning (NIPS 2016), whose rule draws lots
    between two thresholds of a group; here one is taken.
    """
    known = np.isfinite(p)
    p, event, groups = p[known], np.asarray(event, dtype=bool)[known], groups[known]
    worth = _worth(event, objective)
    large = [g for g in range(count) if _large(event[groups == g], constraint)]
    thresholds = np.full(count, 0.5)
    small = tuple(g for g in range(count) if g not in large)
    if len(large) < 2:
        return Found(thresholds, small, 0.0, True)
    options = [_options(p[groups == g], event[groups == g], worth[groups == g], constraint) for g in large]
    width = bound
    while (picked := _best(options, width)) is None:
        width = max(width * 1.5, 0.005)
    rates = np.array([one.rates[at] for one, at in zip(options, picked, strict=True)])
    for g, one, at in zip(large, options, picked, strict=True):
        thresholds[g] = one.at[at]
    gap = float((rates.max(axis=0) - rates.min(axis=0)).max())
    return Found(thresholds, small, gap, gap <= bound + 1e-12)


def _worth(event: np.ndarray, objective: Objective) -> Floats:
    """What it gains to decide a row positive, (n,)."""
    if objective == "accuracy":
        gain, loss = 1.0 / max(len(event), 1), 1.0 / max(len(event), 1)
    else:
        gain, loss = 0.5 / max(int(event.sum()), 1), 0.5 / max(int((~event).sum()), 1)
    found: Floats = np.where(event, gain, -loss)
    return found


def _large(event: np.ndarray, constraint: Constraint) -> bool:
    few = {
        "demographic_parity": len(event),
        "equal_opportunity": int(event.sum()),
        "equalised_odds": min(int(event.sum()), int((~event).sum())),
    }
    return few[constraint] >= SMALL_GROUP


def _options(p: Floats, event: np.ndarray, worth: Floats, constraint: Constraint) -> _Options:
    order = np.argsort(-p, kind="stable")
    p, event, worth = p[order], event[order], worth[order]
    # Cut after k rows, between distinct probabilities alone.
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(p) < 0) + 1, [len(p)]])
    cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, CANDIDATES).astype(int))]
    above = np.concatenate([[1.0], p])[cuts]
    below = np.concatenate([p, [0.0]])[cuts]
    hit, gain = (np.concatenate([[0.0], np.cumsum(part)])[cuts] for part in (event, worth))
    false = cuts - hit
    said = {
        "demographic_parity": [cuts / len(p)],
        "equal_opportunity": [hit / max(event.sum(), 1)],
        "equalised_odds": [hit / max(event.sum(), 1), false / max((~event).sum(), 1)],
    }[constraint]
    return _Options(np.clip((above + below) / 2, LEAST, 1 - LEAST), np.column_stack(said), gain)


def _best(options: list[_Options], width: float) -> list[int] | None:
    """The candidate of each group with the largest gain together, all rates in one box of that width."""
    kept: tuple[float, list[int]] | None = None
    axes = [np.linspace(0.0, 1.0, PLACES + 1) for _ in range(options[0].rates.shape[1])]
    if len(axes) == 1:
        axes = [np.unique(np.concatenate([one.rates[:, 0] for one in options]))]
    for low in np.array(np.meshgrid(*axes)).reshape(len(axes), -1).T:
        total, picked = 0.0, []
        for one in options:
            inside = ((one.rates >= low - 1e-12) & (one.rates <= low + width + 1e-12)).all(axis=1)
            if not inside.any():
                break
            at = int(np.argmax(np.where(inside, one.gain, -np.inf)))
            total += float(one.gain[at])
            picked.append(at)
        else:
            if kept is None or total > kept[0] + 1e-12:
                kept = (total, picked)
    return None if kept is None else kept[1]
