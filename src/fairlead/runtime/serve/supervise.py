"""Worker processes: forked after everything is imported, replaced when they die, stopped gracefully.

A lifeline (a socket pair) ties each worker to its supervisor: a worker whose supervisor was killed drains and
ends by itself.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from fairlead.contract.errors import FairleadError, UsageError, WorkersDied

Work = Callable[[int, socket.socket], None]
TRIES = 5
"""How often a worker may die before it is ready, in a server of which none ever was."""
_PATIENCE_S = 3.0
_FAILED, _LONGEST = b"!", 400
_log = logging.getLogger("fairlead.serve")


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket that workers share, so connections wait in it while a worker is replaced.

    Raises UsageError when the address is taken by another or cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise UsageError(f"{host} is no address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Workers of a server that was killed let go of the address within moments.
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            listener.bind(address)
            listener.listen(backlog)
            break
        except OSError as failed:
            if failed.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            listener.close()
            reason = "is in use by another program" if failed.errno == errno.EADDRINUSE else "cannot be listened on"
            raise UsageError(f"{host}:{port} {reason}. Choose another with --port.") from None
    listener.setblocking(False)
    return listener


def ended(how: int) -> str:
    """The status of `waitpid` in words: the signal's name, or the exit code."""
    code = os.waitstatus_to_exitcode(how)
    if code >= 0:
        return f"exit {code}"
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"


class _Worker:
    """A live child. started: monotonic seconds. It says by its lifeline that it is ready, or why it could not be."""

    __slots__ = ("lifeline", "pid", "ready", "slot", "started", "why")

    def __init__(self, slot: int, pid: int, lifeline: socket.socket) -> None:
        self.slot, self.pid, self.lifeline = slot, pid, lifeline
        self.started, self.ready, self.why = time.monotonic(), False, b""

    def listen(self) -> None:
        """Take what it says, if it says anything."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            said = self.lifeline.recv(2 * _LONGEST)
            self.ready = self.ready or said[:1] == b"r"
            if said.startswith(_FAILED):
                self.why = said.removeprefix(_FAILED)


class Supervisor:
    """Keeps `workers` children alive. work: what a child does with its slot and its end of the lifeline.

    grace_s: how long a worker may drain before it is killed. A worker that dies young is replaced later and
    later (at most every 5 s), so a crash loop costs little and still ends by itself once its cause is gone. Where
    none was ever ready, nobody waits for that: then `run` raises WorkersDied once one died `TRIES` times.
    gone: told the slot of a worker that ended. draining: called once, before the workers are asked to end.
    """

    def __init__(
        self,
        work: Work,
        workers: int,
        grace_s: float = 15.0,
        gone: Callable[[int], None] = lambda slot: None,
        draining: Callable[[], None] = lambda: None,
    ) -> None:
        self._work, self._grace_s = work, grace_s
        self._gone, self._draining = gone, draining
        self._live: dict[int, _Worker] = {}
        self._due: dict[int, float] = dict.fromkeys(range(workers), 0.0)
        self._delay: dict[int, float] = dict.fromkeys(range(workers), 0.0)
        self._deaths: dict[int, int] = dict.fromkeys(range(workers), 0)
        self._stopping = self._told = False

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until SIGTERM or SIGINT, then until all workers have drained. On the main thread alone.

        Raises WorkersDied where none could ever start.
        """
        inbox, outbox = socket.socketpair()
        for end in (inbox, outbox):
            end.setblocking(False)
        signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while not self._stopping:
                self._start_due((inbox, outbox))
                self._wait(inbox)
                if not self._told and any(worker.ready for worker in self._live.values()):
                    self._told = True
                    ready()
                self._reap()
            self._drain()
        finally:
            for worker in self._live.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            for number, handler in previous.items():
                signal.signal(number, handler)
            inbox.close()
            outbox.close()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_due(self, ours: tuple[socket.socket, socket.socket]) -> None:
        now = time.monotonic()
        for slot in [slot for slot, at in self._due.items() if at <= now]:
            del self._due[slot]
            self._fork(slot, ours)

    def _fork(self, slot: int, ours: tuple[socket.socket, socket.socket]) -> None:
        here, there = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError:
            # Out of processes or memory for now: the others go on, this slot is tried again.
            here.close()
            there.close()
            self._due[slot] = time.monotonic() + 1.0
            return
        if pid == 0:
            self._child(slot, there, [here, *ours, *(worker.lifeline for worker in self._live.values())])
        there.close()
        here.setblocking(False)
        self._live[pid] = _Worker(slot, pid, here)

    def _child(self, slot: int, lifeline: socket.socket, foreign: list[socket.socket]) -> None:
        """Never returns. Lets go of all that is the supervisor's, so lifelines end when it does."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for end in foreign:
                end.close()
            self._work(slot, lifeline)
            code = 0
        except BaseException as failed:
            _log.exception("a worker could not go on", extra={"worker": slot})
            said = str(failed) if isinstance(failed, FairleadError) else type(failed).__name__
            with contextlib.suppress(OSError):
                lifeline.setblocking(False)
                lifeline.send(_FAILED + said.encode()[:_LONGEST])
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _wait(self, inbox: socket.socket) -> None:
        """Until a signal, a worker's word, or the next start that is due."""
        starting = [worker.lifeline for worker in self._live.values() if not worker.ready]
        due = min(self._due.values(), default=None)
        timeout = 1.0 if due is None else min(1.0, max(0.0, due - time.monotonic()))
        readable, _, _ = select.select([inbox, *starting], [], [], timeout)
        with contextlib.suppress(BlockingIOError):
            while inbox.recv(4096):
                pass
        for worker in self._live.values():
            if worker.lifeline in readable and not worker.ready:
                worker.listen()

    def _reap(self) -> None:
        for pid in list(self._live):
            try:
                gone, how = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                gone, how = pid, 0
            if gone:
                worker = self._live.pop(pid)
                if not worker.ready:
                    worker.listen()
                worker.lifeline.close()
                self._gone(worker.slot)
                if not (self._told or self._stopping or worker.ready):
                    self._give_up(worker, ended(how))
                if not self._stopping:
                    said = {"worker": worker.slot, "ended": ended(how)}
                    _log.warning("a worker ended and is replaced", extra=said)
                lived = time.monotonic() - worker.started
                last = self._delay[worker.slot]
                # A worker that served is replaced at once; one that dies at birth, ever later.
                self._delay[worker.slot] = 0.0 if worker.ready and lived > 1.0 else min(5.0, max(0.1, last * 2))
                self._due[worker.slot] = time.monotonic() + self._delay[worker.slot]

    def _give_up(self, worker: _Worker, how: str) -> None:
        """Raises WorkersDied when a worker of a server that never answered anybody died too often."""
        self._deaths[worker.slot] += 1
        if self._deaths[worker.slot] >= TRIES:
            why = ", ".join(filter(None, (how, worker.why.decode("utf-8", "replace"))))
            self._stopping = True
            self._drain()
            raise WorkersDied(
                f"no worker could start, and nobody was ever answered: one ended {TRIES} times ({why}). "
                "The server's log above says more."
            )

    def _drain(self) -> None:
        self._draining()
        for worker in self._live.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while self._live and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
