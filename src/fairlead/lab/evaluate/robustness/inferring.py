"""Whether answers give away a sensitive column that the model does not even take."""

from __future__ import annotations

import numpy as np

from fairlead.lab.evaluate.robustness.evidence import Inversion
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.measures import Ints

PLACES, VALUES, SMALL, DRAWS = 10, 12, 60, 500


def inferred(judged: Judged, name: str, seed: int = 0) -> Inversion | None:
    """Guess a row's value from its answer and its truth; and from its truth alone.

    The answers are cut into tenths; in each, for each truth, the guess is what is commonest among the other half of the
    rows, which the attacker is thought to know. At least what an attacker can do who knows more. None for a column that
    the rows do not have, of more than 12 values, or of fewer than 60 rows.
    Source: Yeom, Giacomelli, Fredrikson and Jha, Privacy risk in machine learning (CSF 2018), on attributes.
    """
    if name not in judged.source.columns:
        return None
    cells = judged.source[name]
    known = cells.notna().to_numpy()
    values, codes = np.unique(cells[known].astype(str).to_numpy(dtype=str), return_inverse=True)
    if not 2 <= len(values) <= VALUES or known.sum() < SMALL:
        return None
    rows = np.flatnonzero(known)
    told = judged.scores[rows]
    score = told[:, 0] if told.shape[1] == 1 else told[:, -1] if told.shape[1] == 2 else told.argmax(axis=1)
    tenth = _tenths(np.asarray(score, dtype=np.float64))
    truth = judged.truth[rows]
    if judged.signature.task == "classification":
        _, truth_codes = np.unique(truth.astype(str), return_inverse=True)
    else:
        truth_codes = _tenths(truth.astype(np.float64))
    half = np.random.default_rng([seed, 37]).permutation(len(rows)) % 2
    right = _guessed(codes, truth_codes * PLACES + tenth, half) == codes
    blind = _guessed(codes, truth_codes, half) == codes
    gain = bootstrap(right.astype(float) - blind.astype(float), seed=seed, draws=DRAWS)
    return Inversion(
        name, len(rows), float(right.mean()), float(blind.mean()), gain, "the truth and the answer, but not the row,"
    )


def _tenths(values: np.ndarray) -> Ints:
    ends = np.quantile(values, np.linspace(0.1, 0.9, PLACES - 1))
    return np.searchsorted(ends, values, side="left").astype(np.int64)


def _guessed(codes: Ints, seen: Ints, half: Ints) -> Ints:
    """For each row what is commonest among rows of the other half with the same `seen`; of none, among all of them."""
    found = np.zeros(len(codes), dtype=np.int64)
    count = int(codes.max()) + 1
    for part in (0, 1):
        others, own = half != part, half == part
        table = np.zeros((int(seen.max()) + 1, count))
        np.add.at(table, (seen[others], codes[others]), 1.0)
        # A tie, or nobody there: what is commonest overall.
        table += 1e-6 * np.bincount(codes[others], minlength=count) / max(int(others.sum()), 1)
        found[own] = table.argmax(axis=1)[seen[own]]
    return found
