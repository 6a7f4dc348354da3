"""Regressors of the catalogue as learners of forecasts: their own search spaces, and how they share the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Task

WAY = "steps"
"""The parameter that says which steps share a regressor: each its own, or spans of them."""
TREES = (
    *("decision_tree", "extra_trees", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm"),
    "explainable_boosting",
)
"""Learners that take numbers as they are; others see parts of the calendar one by one, and standardised."""
DIRECT = ("ridge", "linear", "lasso", "elastic_net")
"""Learners so quick that every step always has one of its own."""

UNFIT = (
    *("image_net", "text_net", "image_head", "rank_xgboost", "distilled", "shrunk"),
    *("spark_forest", "spark_linear", "spark_boosting", "spark_xgboost"),
    *("divided_net", "staged_net", "online_linear", "online_tree"),
)
"""Learners of numbers that look at pictures, texts or groups, need another model to begin with, or fit by Spark: a
regressor a step would be a hundred small jobs."""


class StepLearner:
    """A regressor's learner, asked for forecasts. `build` gives the regressor of a step."""

    tasks: tuple[Task, ...] = ("forecasting",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.name: str = inner.name
        self.complexity: int = inner.complexity

    @property
    def classes(self) -> bool:
        """See `lab.compile.forecasting.plan.Plan`."""
        return self.name not in TREES

    def default(self, rows: int) -> dict[str, Any]:
        """The learner's own; steps share regressors where one for each would cost many times as much."""
        return {**self.inner.default(rows), WAY: "each" if self.name in DIRECT else "spans"}

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The learner's own, and both ways."""
        way = "each" if self.name in DIRECT else trial.suggest_categorical(WAY, ("spans", "each"))
        return {**self.inner.space(trial, rows), WAY: way}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted regressor."""
        own = {name: value for name, value in parameters.items() if name != WAY}
        return self.inner.build("regression", own, seed)


def step_learner(name: str) -> StepLearner:
    """Raises ConfigInvalid for a learner of no numbers, UnknownPlugin, MissingExtra."""
    found = variant("learner", name)()
    if name in UNFIT or "regression" not in found.tasks:
        able = [one for one in names("learner") if one not in UNFIT and "regression" in variant("learner", one)().tasks]
        raise ConfigInvalid(
            f"{name} cannot do forecasting.",
            file="fairlead.toml", key="train.learners", cure=f"Learners that can: {', '.join(able)}.",
        )  # fmt: skip
    return StepLearner(found)


def step_learners(asked: Sequence[str]) -> list[StepLearner]:
    """One a name."""
    return [step_learner(name) for name in asked]
