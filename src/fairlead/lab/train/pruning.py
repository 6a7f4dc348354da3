"""Ending hopeless trials early: what a trial scored on its first folds, against the trials before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

Kind = Literal["median", "halving"]
UNPRUNED = 2
"""Whole trials of a learner before one is ended by the median."""


class Pruner:
    """Of one learner. Decisions follow from the scores of its trials in their order, so that they can be made again.

    median: a trial ends when its mean so far is above the median of the whole trials' at that fold. halving: unless it
    is among the better half of all trials that came as far, at the first, second, fourth … fold.
    Source: Golovin et al., Google Vizier (2017); Li et al., A system for massively parallel hyperparameter tuning
    (2020).
    """

    def __init__(self, kind: Kind) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner: Any
        if kind == "median":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=0)
        else:
            pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        self._study = optuna.create_study(direction="minimize", pruner=pruner, sampler=optuna.samplers.RandomSampler(0))
        self._pruned = optuna.trial.TrialState.PRUNED
        self._trial: Any = None

    def begin(self) -> None:
        """A trial begins."""
        self._trial = self._study.ask()

    def hopeless(self, scores: Sequence[float]) -> bool:
        """Whether the trial ends here. scores: of its folds so far, smaller is better; told after each fold."""
        self._trial.report(float(np.mean(scores)), len(scores))
        return bool(self._trial.should_prune())

    def end(self, scores: Sequence[float], pruned: bool) -> None:
        """The trial is over."""
        if pruned:
            self._study.tell(self._trial, state=self._pruned)
        else:
            self._study.tell(self._trial, float(np.mean(scores)))
