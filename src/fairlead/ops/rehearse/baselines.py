"""What costs nothing, beside every policy: persistence, and retraining at random times."""

from __future__ import annotations

import numpy as np

from fairlead.ops.monitor.windows import DAY, WEEK
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.models import Meter, Models
from fairlead.ops.rehearse.replay import constant_scores

DRAWS = 200


def persistence(history: History) -> dict[str, np.ndarray]:
    """Errors of repeating what is known, by name: (windows lived through, 2) sums of errors and rows.

    "last value" that has come by then; for numbers in time also the "same hour yesterday" and "same hour last week",
    or as many days or weeks back as labels take; "constant" the mean or most frequent class. A moment without its
    counterpart takes the last value.
    """
    from fairlead.lab.stats import class_codes

    material, times = history.material, history.times
    classes = material.signature.task == "classification"
    truth = class_codes(material.truth, material.signature.classes) if classes else material.truth.astype(np.float64)
    last = np.maximum(np.searchsorted(times, times - history.delay, side="left") - 1, 0)
    guesses = {"last value": truth[last]}
    if not classes:
        for name, unit in (("same hour yesterday", DAY), ("same hour last week", WEEK)):
            back = unit * max(1, int(np.ceil(history.delay / unit)))
            at = np.searchsorted(times, times - back, side="left")
            there = np.minimum(at, len(times) - 1)
            exact = np.abs(times[there] - (times - back)) < 1.0
            guesses[name] = np.where(exact, truth[there], truth[last])
    found = {name: _sums(history, _errors(truth, guess, history)) for name, guess in guesses.items()}
    return {**found, "constant": _constant(history, truth, classes)}


def _errors(truth: np.ndarray, guess: np.ndarray, history: History) -> np.ndarray:
    from fairlead.lab.stats.pinball import errors_of

    signature = history.material.signature
    if signature.task == "classification":
        return np.asarray(truth != guess, dtype=np.float64)
    return errors_of(truth, guess, signature)


def _sums(history: History, errors: np.ndarray) -> np.ndarray:
    slots = [history.slots[w] for w in history.judged]
    return np.asarray([[errors[s.first : s.last].sum(), s.rows] for s in slots])


def _constant(history: History, truth: np.ndarray, classes: bool) -> np.ndarray:
    found = []
    for window in history.judged:
        slot = history.slots[window]
        scores = constant_scores(history.material.truth[: slot.first], history, 1)[0]
        guess = np.full(slot.rows, float(np.argmax(scores)) if classes else float(scores[0]))
        found.append([_errors(truth[slot.first : slot.last], guess, history).sum(), slot.rows])
    return np.asarray(found)


def random_timing(history: History, models: Models, meter: Meter, retrains: int, seed: int = 0) -> np.ndarray:
    """Mean errors by draw and live window with labels when retraining on all rows at random times: (200, windows).

    Ungated, looked up in the matrix of models by windows that `always` filled.
    """
    live = history.judged
    with models.charged_to(meter):
        matrix = error_matrix(history, models)
    rng = np.random.default_rng(seed)
    choices = len(live) - 1
    found = np.empty((DRAWS, len(live)))
    for draw in range(DRAWS):
        chosen = np.zeros(len(live), dtype=np.int64)
        if choices > 0:
            at = np.sort(rng.choice(choices, size=min(retrains, choices), replace=False)) + 1
            chosen[at] = at
        newest = np.maximum.accumulate(chosen)
        found[draw] = matrix[newest, np.arange(len(live))]
    return found


def error_matrix(history: History, models: Models) -> np.ndarray:
    """Mean error on live window j (column) of the model released before live window i (row), NaN where j < i."""
    live = history.judged
    matrix = np.full((len(live), len(live)), np.nan)
    for i, window in enumerate(live):
        newest = history.learnt - 1
        if i:
            newest = max(history.learnable(history.slots[window - 1].end), newest)
        for j in range(i, len(live)):
            matrix[i, j] = models.error((0, newest), live[j])
    return matrix
