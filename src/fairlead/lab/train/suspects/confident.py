"""Labels that out-of-fold probabilities speak against: confident learning.

Source: Northcutt, Jiang and Chuang, Confident learning: estimating uncertainty in dataset labels (2021).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Confident(NamedTuple):
    """rows: positions of suspects, the strongest first; suggested: the class that each looks like; margin: by how much
    its probability beats that of the given class; noise: (classes, classes), estimated rows given i and truly j."""

    rows: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray
    noise: np.ndarray


def confident_suspects(probabilities: np.ndarray, given: np.ndarray) -> Confident:
    """Suspects by the confident joint, pruned by noise rate.

    probabilities: (rows, classes) out of fold; given: (rows,) class positions. A row is counted for class j where its
    probability of j reaches the mean that rows given j have of it; of several such j the likeliest. The counts,
    calibrated to the given classes, estimate how many rows of each class are truly another's: so many are named, those
    with the largest margin. In a noisy problem unusual rows are among them: the list is to be read, not obeyed.
    """
    n, classes = probabilities.shape
    present = np.bincount(given, minlength=classes)
    sums = np.bincount(given, weights=probabilities[np.arange(n), given], minlength=classes)
    bar = np.where(present > 0, sums / np.maximum(present, 1), np.inf)
    above = np.where(probabilities >= bar, probabilities, -1.0)
    likeliest = above.argmax(axis=1)
    counted = above.max(axis=1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (given[counted], likeliest[counted]), 1)
    totals = joint.sum(axis=1, keepdims=True)
    noise = np.where(totals > 0, joint / np.maximum(totals, 1), np.eye(classes)) * present[:, None]
    margin = probabilities - probabilities[np.arange(n), given][:, None]
    strength = np.full(n, 0.0)
    said = np.full(n, -1)
    for i in range(classes):
        for j in range(classes):
            wanted = round(noise[i, j]) if i != j else 0
            mine = np.flatnonzero((given == i) & (margin[:, j] > 0)) if wanted else np.empty(0, dtype=np.int64)
            best = mine[np.argsort(-margin[mine, j], kind="stable")[:wanted]]
            better = best[margin[best, j] > strength[best]]
            strength[better], said[better] = margin[better, j], j
    found = np.flatnonzero(said >= 0)
    strength, said = strength[found], said[found]
    order = np.argsort(-strength, kind="stable")
    return Confident(found[order], said[order], strength[order], noise)
