"""How the shares of a rollout move: a canary that grows as harm is excluded, a bandit that follows what brings most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.ops.rollout.guardrails import Guardrail
from fairlead.ops.rollout.verdict import RolloutVerdict

DRAWS = 4000
FEWEST = 30
"""Outcomes of each variant before a bandit leaves equal shares."""
STILL = 0.02
"""A bandit's shares are published anew when one of them moves by more."""


def next_share(
    verdicts: Sequence[RolloutVerdict],
    guards: Sequence[Sequence[Guardrail]],
    share: float,
    steps: Sequence[float],
    max_loss: float,
) -> float | None:
    """The largest of `steps` that the evidence allows to all challengers together, None where that is not above
    `share`; each gets an equal part of it.

    verdicts, guards: of each challenger. What challengers may do to all requests together is the harm of each times
    its share. So they may have a share once it is excluded (by the confidence sequences of the verdicts) that the sum
    exceeds `max_loss`; all of the requests, promotion, is the same rule at a share of 1. Guardrails on shares of
    requests likewise; none may fail.
    """
    if any(one.outcome == "fails" for few in guards for one in few) or any(v.outcome == "fail" for v in verdicts):
        return None
    allowed, count = None, len(verdicts)
    errors = [one for few in guards for one in few if one.name == "errors"]
    for step in sorted(steps):
        if step <= share + 1e-9:
            continue
        each = step / count
        bounded = not errors or sum(max(one.high, 0.0) for one in errors) * each <= errors[0].limit
        if bounded and sum(max(v.high, 0.0) for v in verdicts) * each <= max_loss:
            allowed = step
    return allowed


def bandit_shares(outcomes: np.ndarray, counts: Sequence[int], explore: float, seed: int) -> list[float]:
    """Shares by Thompson sampling: how likely each variant is the best one, with a floor for all.

    outcomes: (n, k), for each row what each variant would have brought (larger is better), as measured or as scored by
    `lab/stats/propensity`; counts: how often each variant was really met. The posterior of the k means is normal with
    their joint covariance (a flat prior). explore: the share that is spread over all alike, whatever is best, so that
    every variant is met with a chance of at least explore / k for ever and its evidence stays sound.
    Source: Thompson (1933); Russo, Van Roy, Kazerouni, Osband and Wen, A tutorial on Thompson sampling (2018).
    """
    table = np.asarray(outcomes, dtype=np.float64)
    n, k = table.shape
    if n < 2 or min(counts, default=0) < FEWEST:
        return [1.0 / k] * k
    # Differences to the first are all that matters, and what rows have in common falls out of them.
    gains = table - table[:, :1]
    mean, spread = gains.mean(axis=0)[1:], np.atleast_2d(np.cov(gains[:, 1:], rowvar=False)) / n
    draws = np.random.default_rng(seed).multivariate_normal(mean, spread + 1e-12 * np.eye(k - 1), DRAWS)
    best = np.argmax(np.column_stack([np.zeros(DRAWS), draws]), axis=1)
    chance = np.bincount(best, minlength=k) / DRAWS
    return [float(one) for one in (1.0 - explore) * chance + explore / k]


def moved(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether new shares are worth publishing."""
    return max(abs(a - b) for a, b in zip(before, after, strict=True)) > STILL
