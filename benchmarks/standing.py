"""Who stands where after several tables: ranks and differences with their intervals.

A result is `loss[table][split][contender]`, smaller is better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range
from scipy.stats import t as student

RESAMPLES = 2000
LEVEL = 0.95

Losses = dict[str, list[dict[str, float]]]


def corrected(differences: np.ndarray, judged: float, learned: float) -> list[float]:
    """Mean of paired differences over splits of one table, with its interval: [value, low, high].

    Splits share most of the rows that they learn from, so a plain t would see differences where there are none: its
    variance is multiplied by 1/J + judged/learned. Source: Nadeau and Bengio, Inference for the generalization error
    (2003). Two splits or more.
    """
    count = len(differences)
    value = float(np.mean(differences))
    se = float(np.std(differences, ddof=1)) * np.sqrt(1 / count + judged / learned)
    far = float(student.ppf(0.5 + LEVEL / 2, count - 1)) * se
    return [value, value - far, value + far]


def mean_ranks(losses: Losses, contenders: tuple[str, ...]) -> np.ndarray:
    """The rank of each contender on each table, a mean over its splits; ties share. Shape (tables, contenders)."""
    each = [np.mean([rankdata([split[c] for c in contenders]) for split in table], axis=0) for table in losses.values()]
    return np.array(each, dtype=np.float64)


def standing(losses: Losses, contenders: tuple[str, ...], seed: int = 0) -> dict[str, Any]:
    """Mean ranks over tables, and the first contender's loss as a multiple of each other's.

    ranks: [value, low, high] by a bootstrap of tables and, within them, of splits. simultaneous: the rank plus and
    minus half of Nemenyi's critical difference: where two do not overlap they differ, at once for all pairs. friedman:
    the chance of ranks so far apart if all were equal. ratios: geometric means by the same bootstrap.
    Sources: Demsar, Statistical comparisons of classifiers over multiple data sets (2006); Koning et al., The M3
    competition: statistical tests of the results (2005).
    """
    ranks = mean_ranks(losses, contenders)
    tables, k = ranks.shape
    q = float(studentized_range.ppf(LEVEL, k, np.inf)) / np.sqrt(2)
    half = q * np.sqrt(k * (k + 1) / (6 * tables)) / 2
    logs = [np.array([[np.log(split[c]) for c in contenders] for split in table]) for table in losses.values()]
    each = [np.array([rankdata([split[c] for c in contenders]) for split in table]) for table in losses.values()]
    random = np.random.default_rng(seed)
    drawn_ranks, drawn_logs = [], []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, tables, tables)
        rows = [random.integers(0, len(each[t]), len(each[t])) for t in chosen]
        drawn_ranks.append(np.mean([each[t][r].mean(axis=0) for t, r in zip(chosen, rows, strict=True)], axis=0))
        drawn_logs.append(np.mean([logs[t][r].mean(axis=0) for t, r in zip(chosen, rows, strict=True)], axis=0))
    low, high = np.quantile(drawn_ranks, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    mean = ranks.mean(axis=0)
    means = np.mean([table.mean(axis=0) for table in logs], axis=0)
    spread = np.asarray(drawn_logs)
    ratios = {}
    for i, name in enumerate(contenders[1:], start=1):
        ends = np.quantile(spread[:, 0] - spread[:, i], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        ratios[name] = [round(float(np.exp(v)), 3) for v in (means[0] - means[i], *ends)]
    return {
        "tables": tables,
        "ranks": {c: [round(float(v), 2) for v in (mean[i], low[i], high[i])] for i, c in enumerate(contenders)},
        "simultaneous": {
            c: [round(float(v), 2) for v in (max(mean[i] - half, 1), min(mean[i] + half, k))]
            for i, c in enumerate(contenders)
        },
        "friedman": round(float(friedmanchisquare(*ranks.T).pvalue), 4) if tables > 1 and k > 2 else None,
        "ratios": ratios,
    }
