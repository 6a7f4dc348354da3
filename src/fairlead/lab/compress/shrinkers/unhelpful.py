"""Features whose effect on the answers is within noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compress.shrinkers.networks import is_network
from fairlead.lab.compress.shrinkers.unused import READERS
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.estimators.chosen_features import choosing

MOST = 500
"""Features up to which each is tried on its own."""
DRAWS, HELD, FEWEST_HELD = 3, 0.25, 30
SURELY = 1.645
"""Standard errors above 0 from which an effect is not noise: 95 %, on one side."""


class Unhelpful:
    """Port `shrinker`: fitted again without features that, mixed up in rows held back, change the loss by no more than
    noise. Source: Breiman, Random Forests (2001), permutation importance.

    Two that say the same hide each other; what is lost by leaving out both, the loss out of fold shows.
    """

    name, group = "unhelpful", "features"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        known = subject.learner in READERS and subject.learner != "distilled"
        if (known or is_network(subject)) and not subject.steps:
            yield subject.then(self.name, "without half of the features whose effect is within noise", share=0.5)
            yield subject.then(self.name, "without features whose effect is within noise", share=1.0)

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""
        from sklearn.base import clone

        features = rows.features.shape[1]
        if features > MOST:
            raise NotCompilable(f"{features:,} features are more than {MOST} that are tried one by one.")
        least = noise(clone(fitted), rows, seed)
        gone = least[: int(np.ceil(len(least) * step["share"]))]
        kept = np.setdiff1d(np.arange(features), gone)
        if len(kept) == features:
            raise NotCompilable("the effect of every feature is beyond noise.")
        if not len(kept):
            kept = least[-1:]
        return choosing(_fit(clone(fitted), rows.features[:, kept], rows.truth, rows.weights), kept, features)


def noise(estimator: Any, rows: Any, seed: int) -> Ints:
    """Positions of features whose effect is within noise, least first. estimator: unfitted."""
    random = np.random.default_rng([seed, 14])
    count = len(rows.truth)
    held = np.zeros(count, dtype=bool)
    held[random.permutation(count)[: int(count * HELD)]] = True
    learns_all = not hasattr(rows.truth, "dtype") or rows.truth.dtype.kind in "fiu"
    if held.sum() < FEWEST_HELD or not (learns_all or set(rows.truth[~held]) == set(rows.truth)):
        raise NotCompilable("there are too few rows to tell features apart.")
    weights = None if rows.weights is None else rows.weights[~held]
    fitted = _fit(estimator, np.ascontiguousarray(rows.features[~held]), rows.truth[~held], weights)
    shown, truth = np.ascontiguousarray(rows.features[held]), rows.truth[held]
    before = _losses(fitted, shown, truth)
    effects, surely = np.zeros(shown.shape[1]), np.zeros(shown.shape[1], dtype=bool)
    for at in range(shown.shape[1]):
        own = shown[:, at].copy()
        worse = np.zeros(len(truth))
        for _ in range(DRAWS):
            shown[:, at] = own[random.permutation(len(own))]
            worse += (_losses(fitted, shown, truth) - before) / DRAWS
        shown[:, at] = own
        effects[at] = worse.mean()
        surely[at] = worse.mean() > SURELY * worse.std(ddof=1) / np.sqrt(len(worse))
    order = np.argsort(effects, kind="stable")
    found: Ints = order[~surely[order]]
    return found


def _fit(estimator: Any, features: Floats, truth: np.ndarray, weights: Floats | None) -> Any:
    more = {} if weights is None else {"sample_weight": weights}
    return estimator.fit(features, truth, **more)


def _losses(fitted: Any, features: Floats, truth: np.ndarray) -> Floats:
    """1 - the probability of what was true, or the size of the error. Shape (n,)."""
    if not hasattr(fitted, "classes_"):
        return np.asarray(np.abs(np.asarray(fitted.predict(features), dtype=np.float64) - truth))
    likely: Floats = np.asarray(fitted.predict_proba(features), dtype=np.float64)
    found: Floats = 1.0 - likely[np.arange(len(truth)), np.searchsorted(fitted.classes_, truth)]
    return found
