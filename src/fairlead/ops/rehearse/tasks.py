"""What a rehearsal consists of, as tasks that may be done in any order and in processes of their own.

Answers of models are kept on one shelf, so a task finds there what another one has fitted; what comes out of a task
depends on nothing but the rows and the settings, so the order and the number of processes change no figure.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import RemoteError
from fairlead.lab.train.parallel import read, write
from fairlead.ops.rehearse.copies import calm_copy
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.injecting import copy_trials
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.stage import Stage, one_thread

START = f"from {__name__} import main; main()"


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
        with one_thread():
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
    with _Processes(play, min(jobs, len(tasks))) as processes:
        waiting = {processes.submit(task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


class _Processes:
    """Workers that each hold the history and do one task at a time."""

    def __init__(self, play: Play, count: int) -> None:
        self._payload = pickle.dumps(play, protocol=5)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="rehearse")
        self._own = threading.local()
        self._all: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def submit(self, task: Task) -> Any:
        """As soon as a worker is free."""
        return self._pool.submit(self._ask, pickle.dumps(task, protocol=5))

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, kind: Any, error: Any, at: Any) -> None:
        if kind is not None:
            for process in self._all:
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for process in self._all:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _ask(self, task: bytes) -> Any:
        process = getattr(self._own, "process", None) or self._start()
        try:
            write(process.stdin, task)
            found = read(process.stdout)
        except OSError as why:
            raise RemoteError("a process of the rehearsal ended before its work was done") from why
        if found is None:
            raise RemoteError("a process of the rehearsal ended before its work was done (out of memory?)")
        result = pickle.loads(found)  # noqa: S301 - from our own child
        if isinstance(result, BaseException):
            raise result
        return result

    def _start(self) -> Any:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        with self._lock:
            self._all.append(process)
        self._own.process = process
        write(process.stdin, self._payload)
        return process


def main() -> None:
    """A worker: reads what it is to play with, then tasks, from its parent alone; ends when the parent does."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What libraries print must not come between answers.
    os.dup2(2, 1)
    payload = read(source)
    if payload is None:
        return
    player = Player(pickle.loads(payload))  # noqa: S301 - from our own parent
    while (asked := read(source)) is not None:
        try:
            answer: Any = player.do(pickle.loads(asked))  # noqa: S301 - from our own parent
        except Exception as error:
            answer = error
        write(target, pickle.dumps(answer, protocol=5))
