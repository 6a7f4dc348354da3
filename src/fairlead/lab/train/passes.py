"""How many passes over its rows are worth it to a network of scikit-learn, found on rows held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.lab.train.stopping import Part, best_rounds, loss_on

MOST_PASSES = 300


def worthwhile_passes(estimator: Any, learned: Part, judged: Part, classifies: bool, patience: int) -> int:
    """The passes after which the loss on `judged` was least, looked at after each. estimator: unfitted; used up.

    Numbers are learned in deviations, as `ScaledMLP` learns them.
    """
    # An instance, or every pass would shuffle the rows in the same order.
    estimator.set_params(random_state=np.random.RandomState(estimator.random_state))
    if not classifies:
        truth = learned.truth.astype(np.float64)
        mean, deviation = float(truth.mean()), float(truth.std()) or 1.0
        learned = replace(learned, truth=(truth - mean) / deviation)
        judged = replace(judged, truth=(judged.truth.astype(np.float64) - mean) / deviation)
    return best_rounds(_looks(estimator, learned, judged, classifies), patience)


def _looks(estimator: Any, learned: Part, judged: Part, classifies: bool) -> Iterator[tuple[int, float]]:
    more: dict[str, Any] = {"classes": np.unique(learned.truth)} if classifies else {}
    if (learned.weights != learned.weights[0]).any():
        more["sample_weight"] = learned.weights
    for done in range(1, MOST_PASSES + 1):
        estimator.partial_fit(learned.features, learned.truth, **more)
        loss = loss_on(judged, np.asarray(estimator.classes_) if classifies else None)
        answers = estimator.predict_proba(judged.features) if classifies else estimator.predict(judged.features)
        yield done, loss(np.asarray(answers, dtype=np.float64))
