"""Supervision of a native model: a process that is started again when it ends, later each time."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import weakref
from collections.abc import Mapping
from math import ceil
from time import monotonic
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused, Busy, DeadlineExceeded, NativeFailed
from fairlead.runtime.native.form import NativeForm, NativeTerms
from fairlead.runtime.native.link import Child, Gone, Late
from fairlead.runtime.native.scratch import Scratch

Floats = npt.NDArray[np.float64]
CHUNK = 16_384
"""Rows of one exchange, which bounds memory and gives each exchange a deadline of its own."""
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before the first, second... start after a failure; the last again and again."""
SETTLED_S = 30.0
"""A process that lived as long before it ended starts the counting anew."""
_log = logging.getLogger("fairlead.native")


class NativeProcess:
    """One model in a process of its own. Threads may share it; they take turns.

    artefact: verified bytes; kept in memory outside of the heap, so that processes that are started again get the
    very bytes that were checked. locked: {distribution: version} that the interpreter must have.
    Raises BundleRefused if the environment is not as it was sealed, or the model cannot be opened.
    """

    def __init__(self, form: NativeForm, artefact: bytes, terms: NativeTerms, locked: Mapping[str, str]) -> None:
        self.form, self.terms, self._locked = form, terms, dict(locked)
        self._artefact, self._scratch = _held(artefact), Scratch()
        self._state = threading.Condition()
        self._turn = threading.Lock()
        self._child: Child | None = None
        self._failures, self._again_at, self._born = 0, 0.0, 0.0
        self._restarting = self._closed = False
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _clear, box := _Box(), self._artefact, self._scratch, os.getpid())
        self._box = box
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def score(self, columns: Mapping[str, npt.NDArray[Any]], rows: int, deadline_s: float | None = None) -> Floats:
        """Scores, shape (rows, outputs), of rows in the columns form.

        Raises NativeFailed where the model raised or its process ended, DeadlineExceeded where it did not answer
        in time (it is then ended, too), Busy while a process is started again and the terms are not patient.
        """
        parts = []
        for start in range(0, rows, CHUNK):
            part = columns if rows <= CHUNK else {name: a[start : start + CHUNK] for name, a in columns.items()}
            parts.append(self._score(part, min(CHUNK, rows - start), deadline_s))
        if not parts:
            return np.empty((0, self.form.outputs))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def libraries(self) -> tuple[str, dict[str, str]]:
        """Version of Python and {distribution: version} of what the model has imported by now."""
        said, _ = self._ask({"libraries": True}, b"", self.terms.start_s)
        return str(said["python"]), dict(said["libraries"])

    def close(self) -> None:
        """End the process for good."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        self._end()

    def _score(self, columns: Mapping[str, npt.NDArray[Any]], rows: int, deadline_s: float | None) -> Floats:
        numbers = [np.asarray(columns[c.name], dtype="<f8") for c in self.form.columns if c.numeric]
        texts = [np.asarray(columns[c.name], dtype=object).tolist() for c in self.form.columns if not c.numeric]
        body = np.concatenate(numbers).tobytes() if numbers else b""
        head = {"rows": rows, "texts": texts}
        said, data = self._ask(head, body, self.terms.deadline_s if deadline_s is None else deadline_s)
        if "failed" in said:
            raise NativeFailed(f"the native model raised {str(said['failed'])[:80]}", raised=True)
        if said.get("shape") != [rows, self.form.outputs] or len(data) != 8 * rows * self.form.outputs:
            raise self._lost("said what no answer is")
        found: Floats = np.frombuffer(data, dtype="<f8").reshape(rows, self.form.outputs)
        return found

    def _ask(self, head: Mapping[str, Any], body: bytes, within_s: float) -> tuple[dict[str, Any], bytearray]:
        by = monotonic() + within_s
        self._own()
        if not self._turn.acquire(timeout=within_s):
            raise DeadlineExceeded("the native model was busy with others until the deadline")
        try:
            child = self._running()
            # Who is patient waits for a process first, and then as long for its answer.
            return child.ask(head, body, within_s if self.terms.patient else max(by - monotonic(), 0.01))
        except Late:
            self._lost(f"gave no answer within {within_s:g} s")
            raise DeadlineExceeded("the native model did not answer in time") from None
        except Gone as how:
            raise self._lost(str(how)) from None
        finally:
            self._turn.release()

    def _own(self) -> None:
        """In a fork: a process, locks and a folder of our own; those we have copies of stay with whom they belong."""
        if self._owner == os.getpid():
            return
        self._owner = os.getpid()
        if self._child is not None:
            self._child.end()
        self._child, self._box.child, self._restarting = None, None, False
        self._state, self._turn = threading.Condition(), threading.Lock()
        self._end.detach()
        self._scratch.close(remove=False)
        self._scratch = Scratch()
        self._end = weakref.finalize(self, _clear, self._box, self._artefact, self._scratch, os.getpid())
        self._start()

    def _running(self) -> Child:
        """The process. Waits for one, or raises Busy, while there is none."""
        with self._state:
            until = monotonic() + self.terms.start_s + BACK_OFF_S[-1]
            while self._child is None:
                if self._closed:
                    raise NativeFailed("the native model was closed")
                self._restart_later()
                if not self.terms.patient:
                    raise Busy(max(1, ceil(self._again_at - monotonic())))
                if not self._state.wait(timeout=until - monotonic()):
                    raise NativeFailed("the native model's process does not start")
            return self._child

    def _lost(self, how: str) -> NativeFailed:
        """After a failure: end what is left of the process and have another one started."""
        _log.error("a native model's process %s", how)
        with self._state:
            child, self._child = self._child, None
            if monotonic() - self._born > SETTLED_S:
                self._failures = 0
            self._count()
        if child is not None:
            child.end()
        with self._state:
            self._restart_later()
        return NativeFailed(f"the native model's process {how}")

    def _count(self) -> None:
        self._again_at = monotonic() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
        self._failures += 1

    def _restart_later(self) -> None:
        if not (self._restarting or self._closed):
            self._restarting = True
            threading.Thread(target=self._restart, name="fairlead-native-start", daemon=True).start()

    def _restart(self) -> None:
        """On a thread of its own: wait out the back-off, then start; again until there is a process."""
        while True:
            with self._state:
                while not self._closed and (left := self._again_at - monotonic()) > 0:
                    self._state.wait(timeout=left)
                if self._closed:
                    self._restarting = False
                    return
            try:
                self._start()
            except Exception as failed:
                _log.error("a native model's process could not be started again: %s", failed)
                with self._state:
                    self._count()
                continue
            with self._state:
                self._restarting = False
                self._state.notify_all()
            return

    def _start(self) -> None:
        """Start, and wait until the model is open. Raises BundleRefused."""
        self._scratch.empty()
        try:
            child = Child(self.terms.python, self._artefact, self._scratch.path)
        except OSError as why:
            raise BundleRefused(f"the interpreter for native models cannot be started: {why.strerror}") from why
        told = {
            "form": msgspec.to_builtins(self.form),
            "terms": msgspec.to_builtins(self.terms),
            "locked": self._locked,
        }
        try:
            said, _ = child.ask(told, b"", self.terms.start_s)
            if "ready" not in said:
                raise BundleRefused(_why_not(said))
        except (Gone, Late) as how:
            child.end()
            raise BundleRefused(
                f"the native model's process {how}" if isinstance(how, Gone)
                else f"the native model was not open after {self.terms.start_s:g} s"
            ) from None  # fmt: skip
        except BaseException:
            child.end()
            raise
        with self._state:
            if self._closed:
                child.end()
                return
            self._child = self._box.child = child
            self._born = monotonic()


class _Box:
    """The process that is to be ended with its owner."""

    child: Child | None = None


def _clear(box: _Box, artefact: int, scratch: Scratch, owner: int) -> None:
    if box.child is not None:
        box.child.end()
    if os.getpid() == owner:
        with contextlib.suppress(OSError):
            os.close(artefact)
        scratch.close()


def _why_not(said: Mapping[str, Any]) -> str:
    if unfit := said.get("unfit"):
        listed = "; ".join(str(line)[:120] for line in unfit[:20])
        return (
            f"the environment for native models is not the one it was sealed with: {listed}. Install the bundle's "
            "requirements.txt in an environment of its own and name its interpreter in [serve] native_python"
        )
    return f"opening the native model raised {str(said.get('failed', 'something'))[:80]}"


def _held(data: bytes) -> int:
    """A file descriptor of these bytes that no path leads to; where the system can, they cannot be changed either."""
    if hasattr(os, "memfd_create"):
        import fcntl

        held = os.memfd_create("fairlead-native", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        _write(held, data)
        everything = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(held, fcntl.F_ADD_SEALS, everything)
        return held
    with tempfile.TemporaryFile() as file:
        held = os.dup(file.fileno())
    _write(held, data)
    return held


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
