"""XGBoost that learns the order of a group's rows, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.learners.xgboost import XGBoost


class RankXGBoost:
    """Boosted trees of pairs of rows of one group (Burges, LambdaMART, 2010). Needs the extra `boosting`.

    For a regression with `[model] group`; of two classes make the target 0 and 1. Its answers are gains by a line
    through its scores, so it is chosen by their error as any regression, which is not what it learns: name it alone, or
    look at NDCG before it is told off by MAE.
    """

    name = "rank_xgboost"
    libraries = ("xgboost",)
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 3
    ranks = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """As of XGBoost."""
        return XGBoost().space(trial, rows)

    def default(self, rows: int) -> dict[str, Any]:
        """As of XGBoost."""
        return XGBoost().default(rows)

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted OrderedBooster. Raises MissingExtra."""
        library("xgboost", "boosting")
        from fairlead.lab.train.estimators.ordered_booster import OrderedBooster

        fixed = {"n_jobs": 1, "random_state": seed, "tree_method": "hist", "verbosity": 0}
        # Each row against one other, drawn anew each round: pairs of a large group are too many to look at them all.
        pairs = {"objective": "rank:pairwise", "lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": 4}
        return OrderedBooster({**parameters, **pairs, **fixed})

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return estimator.set_params(monotone_constraints=tuple(signs))
