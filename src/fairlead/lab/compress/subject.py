"""What is to be made smaller, as it is written in a lineage: a learner, its parameters, and steps after the fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fairlead.contract.signature import Task

SHRUNK = "shrunk"


@dataclass(frozen=True)
class Said:
    """In words, what is fitted in another way, and what is done after the fit."""

    fit: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Smaller:
    """One thing to try. way: name of its shrinker; what: in words, of all that was done before it, too."""

    way: str
    what: str
    learner: str
    parameters: dict[str, Any]
    said: Said = Said()


@dataclass(frozen=True)
class Subject:
    """learner, parameters: of the fit; steps: what is done to the fitted model, in turn; said: how it came
    about."""

    learner: str
    parameters: Mapping[str, Any]
    task: Task
    steps: tuple[Mapping[str, Any], ...] = ()
    said: Said = Said()

    @classmethod
    def of(cls, learner: str, parameters: Mapping[str, Any], task: Task, said: Said) -> Subject:
        """The subject that a learner and its parameters describe."""
        if learner != SHRUNK:
            return cls(learner, dict(parameters), task, (), said)
        return cls(parameters["source"], parameters["source_parameters"], task, tuple(parameters["steps"]), said)

    def has(self, *ways: str) -> bool:
        """Whether one of these ways was gone already."""
        return any(step["way"] in ways for step in self.steps)

    def then(self, way: str, words: str, **options: Any) -> Smaller:
        """The same with one more step."""
        said = replace(self.said, steps=(*self.said.steps, words))
        return replace(self, steps=(*self.steps, {"way": way, **options}), said=said)._smaller(way)

    def fitted_with(self, way: str, words: str, parameters: Mapping[str, Any], learner: str = "") -> Smaller:
        """The same with other parameters of the fit."""
        said = replace(self.said, fit=(*self.said.fit, words))
        return replace(self, learner=learner or self.learner, parameters=parameters, said=said)._smaller(way)

    def _smaller(self, way: str) -> Smaller:
        what = ", then ".join((*self.said.fit, *self.said.steps))
        if not self.steps:
            return Smaller(way, what, self.learner, dict(self.parameters), self.said)
        given = {"source": self.learner, "source_parameters": dict(self.parameters), "steps": [*map(dict, self.steps)]}
        return Smaller(way, what, SHRUNK, given, self.said)
