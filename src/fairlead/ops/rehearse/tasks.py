"""What a rehearsal consists of, as tasks that may be done in any order and in processes of their own.

Answers of models are kept on one shelf, so a task finds there what another one has fitted; what comes out of a task
depends on nothing but the rows and the settings, so the order and the number of processes change no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import msgspec

from fairlead.lab.train.children import Children, serve
from fairlead.ops.rehearse.copies import calm_copy
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.injecting import copy_trials
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.stage import Stage, loaded, one_thread


class Task(msgspec.Struct, frozen=True):
    """kind: play (a policy, `name`), calm (a shuffled copy, `seed`), faults (a copy with faults in it, `seed`).

    after: how often another policy retrained, for those that follow it. trials, budgets: of faults.
    """

    kind: str
    name: str = ""
    seed: int = 0
    after: int | None = None
    trials: int = 0
    budgets: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What it is, in words."""
        if self.kind == "play":
            return f"policy {self.name}"
        return f"shuffled copy {self.seed + 1}" if self.kind == "calm" else f"faults in copy {self.seed + 1}"


class Play(msgspec.Struct, frozen=True):
    """What tasks are done with: learner and parameters of every fit, and the folder of the shelf."""

    history: Any
    learner: str
    parameters: dict[str, Any]
    folder: str | None


class Player:
    """Does tasks of one rehearsal in this process."""

    def __init__(self, play: Play, stage: Stage | None = None) -> None:
        self.play = play
        self.history: History = play.history
        self.shelf = stage.shelf if stage is not None else Shelf(Path(play.folder) if play.folder else None)
        self._stage = stage

    @property
    def stage(self) -> Stage:
        """Made when a policy is played first."""
        if self._stage is None:
            self._stage = Stage(self.history, self.play.learner, self.play.parameters, None, self.shelf)
        return self._stage

    def do(self, task: Task) -> Any:
        """The task's result."""
        with one_thread(), loaded():
            if task.kind == "calm":
                return calm_copy(
                    self.history.labelled_rows(), self.play.learner, self.play.parameters, task.seed, self.shelf
                )
            if task.kind == "faults":
                return copy_trials(
                    self.history.labelled_rows(), self.play.learner, self.play.parameters, task.seed, self.shelf,
                    kinds=task.kinds, trials=task.trials, budgets=task.budgets,
                )  # fmt: skip
            if task.after is not None:
                self.stage.retrains.setdefault("performance", task.after)
            self.stage.play(task.name)
            return self.stage.lived[task.name]


def done(play: Play, tasks: Sequence[Task], jobs: int, player: Player) -> Iterator[tuple[Task, Any]]:
    """Tasks with their results as they are done. jobs: processes; with one, `player` does them here.

    Raises RemoteError where a process ends before its work is done.
    """
    if jobs <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, player.do(task)
        return
    with Children(__name__, play, min(jobs, len(tasks)), "a process of the rehearsal") as processes:
        waiting = {processes.ask(task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def main() -> None:
    """A process that does tasks."""
    serve(lambda play: Player(play).do)
