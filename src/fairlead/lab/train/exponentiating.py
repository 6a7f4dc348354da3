"""The exponentiated gradient: models fitted to rows reweighed in turn, and their mean, which is no lottery."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fairlead.contract.errors import MissingExtra
from fairlead.contract.settings import MitigateSettings
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.estimators.combined import Combined
from fairlead.lab.train.mitigating import FORESTS, Mitigation

LEAST_WEIGHT = 1e-3
"""Of a member; lighter ones are left out, and the others take their weight."""


def exponentiated(
    unfitted: Any, learner: str, mitigation: Mitigation, features: Any, truth: np.ndarray, groups: Ints
) -> Combined:
    """The mean of the models that the exponentiated gradient draws from.

    unfitted: estimator of the learner; features: (n, f); truth: (n,) labels; groups: (n,) codes. The published
    classifier draws a member for each answer; here all members answer together: the mean of their log-odds, of
    forests that of their probabilities. How far that is from the draw is told by `Combined.by_lot`.
    Source: Agarwal et al., A reductions approach to fair classification (ICML 2018), as fairlearn has it.
    Raises MissingExtra.
    """
    try:
        from fairlearn.reductions import ExponentiatedGradient
    except ModuleNotFoundError as missing:
        raise MissingExtra("fairlearn", "fairness") from missing
    rules = mitigation.rules
    told = (truth == mitigation.positive).astype(np.int64)
    reduction = ExponentiatedGradient(
        unfitted, _constraint(rules), eps=max(rules.bound / 2, 1e-3), max_iter=rules.rounds
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reduction.fit(np.asarray(features, dtype=np.float64), told, sensitive_features=groups)
    weights = np.asarray([reduction.weights_[at] for at in range(len(reduction.predictors_))], dtype=np.float64)
    kept = np.flatnonzero(weights >= LEAST_WEIGHT)
    shares: Floats = weights[kept] / weights[kept].sum()
    return Combined(
        members=[reduction.predictors_[at] for at in kept],
        weights=shares.tolist(),
        classes=mitigation.classes,
        positive=mitigation.positive,
        scale="probability" if learner in FORESTS else "log_odds",
    )


def _constraint(rules: MitigateSettings) -> Any:
    from fairlearn.reductions import DemographicParity, EqualizedOdds, TruePositiveRateParity

    kind = {
        "demographic_parity": DemographicParity,
        "equal_opportunity": TruePositiveRateParity,
        "equalised_odds": EqualizedOdds,
    }[rules.constraint]
    # It bounds each group's distance from all rows together: two groups are at most twice that apart.
    return kind(difference_bound=max(rules.bound / 2, 1e-3))
