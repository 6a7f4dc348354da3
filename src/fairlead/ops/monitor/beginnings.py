"""When trouble began within a window: the likeliest change point of its rows in time order, by the minute."""

from __future__ import annotations

import numpy as np

MOST_ROWS = 20_000
"""Rows that are scanned; of more, every so many-th, which costs precision and not the answer."""

MINUTE = 60.0
LEAST_EVIDENCE = 4.0
ROUNDS = 3


def change_of_codes(times: np.ndarray, codes: np.ndarray, usual: np.ndarray) -> float | None:
    """First affected minute (event time, seconds) of cells that came from `usual` and then from something else.

    times: (n,); codes: (n,) the bin of each cell; usual: (bins,) counts of the reference. None where nothing changed
    that could be told from chance. The new shares are those of the rows behind the change, so both are found in turns.
    Source: Page, Continuous inspection schemes (Biometrika, 1954), as maximum likelihood of one change.
    """
    order, kept = _in_order(times)
    if not len(kept):
        return None
    codes = codes[order][kept]
    p = (usual + 0.5) / (usual.sum() + 0.5 * len(usual))
    at = 0
    evidence = np.zeros(len(codes))
    for _ in range(ROUNDS):
        behind = np.bincount(codes[at:], minlength=len(usual)).astype(np.float64) + 0.5
        evidence = np.log(behind / behind.sum() / p)[codes]
        moved = _change(evidence)
        if moved is None or moved == at:
            break
        at = moved
    return _minute(times[order][kept], evidence, len(usual))


def change_of_level(times: np.ndarray, values: np.ndarray, usual: float) -> float | None:
    """First affected minute of values whose mean rose above `usual` at some time. values: (n,), finite."""
    order, kept = _in_order(times)
    if not len(kept):
        return None
    values = values[order][kept]
    at = 0
    evidence = np.zeros(len(values))
    for _ in range(ROUNDS):
        behind = float(values[at:].mean())
        spread = max(float(values.var()), 1e-12)
        # Log likelihood ratio of two normal levels of the same spread.
        evidence = (behind - usual) / spread * (values - (behind + usual) / 2.0)
        moved = _change(evidence) if behind > usual else None
        if moved is None or moved == at:
            break
        at = moved
    return _minute(times[order][kept], evidence, 2)


def _in_order(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(times, kind="stable")
    step = max(1, -(-len(order) // MOST_ROWS))
    return order, np.arange(0, len(order), step)


def _change(evidence: np.ndarray) -> int | None:
    """Where the sum of all evidence from there on is largest; None where it is never above 0."""
    behind = np.cumsum(evidence[::-1])[::-1]
    at = int(np.argmax(behind))
    return at if behind[at] > 0 else None


def _minute(times: np.ndarray, evidence: np.ndarray, bins: int) -> float | None:
    at = _change(evidence)
    if at is None:
        return None
    # Shares fitted to chance alone gain about half a unit a bin.
    if float(evidence[at:].sum()) < LEAST_EVIDENCE + 0.5 * bins + np.log(max(len(evidence), 1)):
        return None
    return float(np.floor(times[at] / MINUTE) * MINUTE)
