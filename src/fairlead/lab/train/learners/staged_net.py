"""A neural network whose layers are divided between two processes: model parallel, by torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.learners.neural_net import NeuralNet


class StagedNet:
    """`neural_net` with its first layers in one process and its last in another. Needs the extra `torch` to learn."""

    name = "staged_net"
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
        """An unfitted network for two processes. Raises MissingExtra."""
        library("torch", "torch")
        from fairlead.lab.train.distributed.torch_networks import divided

        return divided(task, dict(parameters), seed, "layers", 2)
