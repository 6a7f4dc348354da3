"""Fits in processes of their own: a pool of workers that each hold the folds and answer one fold at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.lab.train.children import Children, serve

if TYPE_CHECKING:
    from fairlead.lab.stats.measures import Floats
    from fairlead.lab.train.bench import Bench


class Answered(NamedTuple):
    """One fold's answers, (judged rows, outputs), their score, and the seconds that it took."""

    answers: Floats
    score: float
    seconds: float


def answered(bench: Bench, index: int, learner: Any, parameters: Mapping[str, Any], seed: int) -> Answered:
    """One fold of one trial."""
    started = time.perf_counter()
    answers = bench.answers(index, learner, parameters, seed)
    score = bench.score(index, answers)
    return Answered(answers, score, time.perf_counter() - started)


class Workers:
    """A pool of so many processes. Raises RemoteError where one ends before its work is done."""

    def __init__(self, bench: Bench, seed: int, count: int) -> None:
        self._seed = seed
        self._children = Children(__name__, bench, count, "a process that fits models")

    def submit(self, index: int, learner: Any, parameters: Mapping[str, Any]) -> Future[Answered]:
        """One fold of one trial, as soon as a worker is free."""
        return self._children.ask((index, learner, dict(parameters), self._seed))

    def __enter__(self) -> Workers:
        self._children.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._children.__exit__(kind, error, at)


def main() -> None:
    """A worker."""
    serve(_with)


def _with(bench: Bench) -> Callable[[Any], Answered]:
    return lambda task: answered(bench, *task)
