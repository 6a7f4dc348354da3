"""HDBSCAN: dense groups of any shape, to explore with; it gives no answer for new rows, so nothing can be sealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats

MOST_ROWS = 5_000


class Explorer:
    """Groups by density (Campello, Moulavi and Sander, 2013). `explores`: it is refused with what it found."""

    name = "hdbscan"
    tasks: tuple[Task, ...] = ("clustering",)
    complexity = 4
    explores = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The fewest rows of a group."""
        return {"min_cluster_size": trial.suggest_int("min_cluster_size", 5, max(5, min(200, rows // 20)))}

    def default(self, rows: int) -> dict[str, Any]:
        """Groups of a fiftieth of the rows or more."""
        return {"min_cluster_size": max(5, rows // 50)}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted HDBSCAN, whose `labels_` are -1 for rows in no group."""
        from sklearn.cluster import HDBSCAN

        return HDBSCAN(**parameters, copy=True)

    def refuse(self, features: Floats, seed: int) -> ConfigInvalid:
        """What it found in at most 5,000 prepared rows, and why that cannot be served."""
        rows = np.arange(len(features))
        if len(rows) > MOST_ROWS:
            rows = np.sort(np.random.default_rng([seed, 12]).choice(rows, MOST_ROWS, replace=False))
        labels = self.build("clustering", self.default(len(rows)), seed).fit(features[rows]).labels_
        groups = len(set(labels.tolist()) - {-1})
        return ConfigInvalid(
            f"hdbscan explores: it found {groups} groups and left {float((labels < 0).mean()):.0%} of rows in none, "
            "but it cannot say to which group a new row belongs, so there is nothing to serve.",
            file="fairlead.toml", key="train.learners",
            cure=f'Set learners = ["k_means", "gaussian_mixture"], whose search includes {groups} groups.'
            if 2 <= groups <= 10
            else 'Set learners = ["k_means", "gaussian_mixture"], which answer for new rows.',
        )  # fmt: skip
