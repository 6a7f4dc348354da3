"""A neural network whose rows are divided among the cores of this machine: data parallel, by torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.learners.neural_net import NeuralNet


class DividedNet:
    """`neural_net` fitted by a process a core, each with a part of every batch. Needs the extra `torch` to learn."""

    name = "divided_net"
    libraries = ("torch",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 4
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """As of `neural_net`."""
        return NeuralNet().space(trial, rows)

    def default(self, rows: int) -> dict[str, Any]:
        """As of `neural_net`."""
        return NeuralNet().default(rows)

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted network for as many processes as there are cores, at least two. Raises MissingExtra."""
        library("torch", "torch")
        from fairlead.lab.train.distributed.torch_networks import divided

        return divided(task, dict(parameters), seed, "rows", os.cpu_count() or 2)
