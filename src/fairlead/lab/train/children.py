"""Work in processes of their own: a pool of children that each hold one thing and do one task with it at a time.

A child runs the `main` of the module that asks, reads pickles from its parent alone and ends when the parent does.
Nothing of a caller's own script is imported there, and no fork inherits the threads of numerics.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, BinaryIO

from fairlead.contract.errors import RemoteError

HEAD = 8


class Children:
    """A pool of so many processes. module: by its name, and not as a script, whose classes would be others than the
    parent's; its `main` calls `serve`. held: what every child is given first. what: of one, in words.

    Raises RemoteError where one ends before its work is done.
    """

    def __init__(self, module: str, held: Any, count: int, what: str) -> None:
        self._start_by = f"from {module} import main; main()"
        self._held, self._what = pickle.dumps(held, protocol=5), what
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="child")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[subprocess.Popen[bytes]] = []

    def ask(self, task: Any) -> Future[Any]:
        """One task, as soon as a child is free. What it raises there is raised by the result."""
        return self._pool.submit(self._ask, pickle.dumps(task, protocol=5))

    def __enter__(self) -> Children:
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

    def _ask(self, task: bytes) -> Any:
        try:
            process = getattr(self._own, "process", None) or self._start()
            _write(process.stdin, task)
            found = _read(process.stdout)
        except OSError as why:
            raise RemoteError(f"{self._what} ended before its work was done") from why
        if found is None:
            raise RemoteError(f"{self._what} ended before its work was done (out of memory?)")
        done = pickle.loads(found)  # noqa: S301 - from our own child
        if isinstance(done, BaseException):
            raise done
        return done

    def _start(self) -> Any:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", self._start_by], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        with self._lock:
            self._all.append(process)
        self._own.process = process
        _write(process.stdin, self._held)
        return process


def serve(made_of: Callable[[Any], Callable[[Any], Any]]) -> None:
    """What a child does until its parent has no more. made_of: from what is held to what does a task.

    What libraries print goes to stderr: stdout is ours.
    """
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work(sys.stdin.buffer, sink, made_of)


def work(source: BinaryIO, sink: BinaryIO, made_of: Callable[[Any], Callable[[Any], Any]]) -> None:
    """As `serve`, from and to these."""
    held = _read(source)
    if held is None:
        return
    do = made_of(pickle.loads(held))  # noqa: S301 - from our own parent
    while (task := _read(source)) is not None:
        try:
            done: Any = do(pickle.loads(task))  # noqa: S301 - from our own parent
        except Exception as failure:
            # Whatever a task raises is raised where it was asked for.
            done = failure
        try:
            message = pickle.dumps(done, protocol=5)
        except Exception as failure:
            message = pickle.dumps(RemoteError(f"{type(done).__name__}: {failure}"), protocol=5)
        _write(sink, message)


def _write(file: Any, data: bytes) -> None:
    file.write(len(data).to_bytes(HEAD, "little") + data)
    file.flush()


def _read(file: Any) -> bytes | None:
    """One message; None where the other end is gone."""
    head = file.read(HEAD)
    if len(head) < HEAD:
        return None
    size = int.from_bytes(head, "little")
    data: bytes = file.read(size)
    return data if len(data) == size else None
