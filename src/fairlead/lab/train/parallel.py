"""Fits in processes of their own: a pool of workers that each hold the folds and answer one fold at a time.

A worker runs `main`, which reads pickles from its parent alone and ends when the parent does. Nothing of a caller's own
script is imported there, and no fork inherits the threads of numerics.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from fairlead.contract.errors import RemoteError

if TYPE_CHECKING:
    from fairlead.lab.stats.measures import Floats
    from fairlead.lab.train.bench import Bench

HEAD = 8
START = f"from {__name__} import main; main()"
"""By its name and not as a script, whose classes would be others than the parent's."""


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
        self._payload, self._seed = pickle.dumps(bench, protocol=5), seed
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="fit")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[subprocess.Popen[bytes]] = []

    def submit(self, index: int, learner: Any, parameters: Mapping[str, Any]) -> Future[Answered]:
        """One fold of one trial, as soon as a worker is free."""
        task = pickle.dumps((index, learner, dict(parameters), self._seed), protocol=5)
        return self._pool.submit(self._ask, task)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
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

    def _ask(self, task: bytes) -> Answered:
        process = getattr(self._own, "process", None) or self._start()
        try:
            write(process.stdin, task)
            found = read(process.stdout)
        except OSError as why:
            raise RemoteError("a process that fits models ended before its work was done") from why
        if found is None:
            raise RemoteError("a process that fits models ended before its work was done (out of memory?)")
        done = pickle.loads(found)  # noqa: S301 - from our own child
        if isinstance(done, BaseException):
            raise done
        result: Answered = done
        return result

    def _start(self) -> Any:
        command = [sys.executable, "-c", START]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        with self._lock:
            self._all.append(process)
        self._own.process = process
        write(process.stdin, self._payload)
        return process


def write(file: Any, data: bytes) -> None:
    """One message."""
    file.write(len(data).to_bytes(HEAD, "little") + data)
    file.flush()


def read(file: Any) -> bytes | None:
    """One message; None where the other end is gone."""
    head = file.read(HEAD)
    if len(head) < HEAD:
        return None
    size = int.from_bytes(head, "little")
    data: bytes = file.read(size)
    return data if len(data) == size else None


def work(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the parent has no more."""
    first = read(source)
    if first is None:
        return
    bench = pickle.loads(first)  # noqa: S301 - from our own parent
    while (task := read(source)) is not None:
        index, learner, parameters, seed = pickle.loads(task)  # noqa: S301 - from our own parent
        try:
            done: Any = answered(bench, index, learner, parameters, seed)
        except Exception as failure:
            # Whatever a learner raises is raised where the search is.
            done = failure
        try:
            message = pickle.dumps(done, protocol=5)
        except Exception as failure:
            message = pickle.dumps(RemoteError(f"{type(done).__name__}: {failure}"), protocol=5)
        write(sink, message)


def main() -> None:
    """What a learner prints goes to stderr; stdout is ours."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work(sys.stdin.buffer, sink)
