"""What `fairlead up` does with its processes: start, restart, report, stop in order. One per home.

Each service is a process group of its own, so that Ctrl-C reaches the supervisor alone, and what a service leaves
behind when it is killed goes before it is started again.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow.lifeline import LIFELINE, TOKEN, end_all
from fairlead.ops.state.filelock import FileLock

Log = Callable[[str, str], None]
"""Takes the name of a service (or "up") and one line; called from several threads, one at a time."""

_FIRST_RESTART_S = 0.2
_LONGEST_RESTART_S = 30.0
# Killed from outside says less about the program than an exit of its own.
_LONGEST_AFTER_KILL_S = 2.0
_SETTLED_S = 5.0
_FAILING_AFTER = 5
_TICK_S = 0.2
_MAX_LINE = 8192


class Service(msgspec.Struct, frozen=True):
    """A process to keep alive. ready: how the line of its output begins that says so; empty: it is when it runs.

    stop_s: seconds between SIGTERM and SIGKILL.
    """

    name: str
    argv: tuple[str, ...]
    ready: str = ""
    env: dict[str, str] = {}
    cwd: str = ""
    stop_s: float = 10.0


class ServiceStatus(msgspec.Struct, frozen=True):
    """state: starting, ready, restarting (soon), failing (died at once again and again; still tried), stopped."""

    name: str
    state: Literal["starting", "ready", "restarting", "failing", "stopped"]
    pid: int | None
    since: float
    restarts: int
    last_exit: str


class UpStatus(msgspec.Struct, frozen=True):
    """run/up.json: what `up` last said of itself. Times are seconds since the epoch.

    folder: of the project that it serves. settings: sha256 of its file as it was when `up` began.
    """

    pid: int
    token: str
    since: float
    services: tuple[ServiceStatus, ...]
    state: Literal["running", "stopped"] = "running"
    format: int = 1
    folder: str = ""
    settings: str = ""


def read_up(run: Path) -> UpStatus | None:
    """What the `up` of this home says of itself, or None if none runs (however the last one ended), or if that cannot
    be asked, as by who may only read the home."""
    probe = FileLock(run / "up.lock")
    try:
        if not probe.path.exists() or probe.take():
            return None
    except OSError:
        return None
    finally:
        probe.release()
    return _read(run / "up.json")


class _Child:
    """One service over its restarts."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: subprocess.Popen[bytes] | None = None
        self.state: Literal["starting", "ready", "restarting", "failing", "stopped"] = "stopped"
        self.since = time.time()
        self.began = 0.0
        self.due = 0.0
        self.early_deaths = 0
        self.restarts = 0
        self.last_exit = ""

    def status(self) -> ServiceStatus:
        pid = self.process.pid if self.process else None
        return ServiceStatus(self.service.name, self.state, pid, self.since, self.restarts, self.last_exit)

    def died(self) -> str:
        """How the process ended ("" while it lives); what is left of its group is killed, then it is reaped."""
        process = self.process
        if process is None or not _ended(process):
            return ""
        self.kill()
        code = process.wait()
        self.process = None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """SIGKILL for all of its group."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return


class Supervisor:
    """Keeps services alive until it is told to stop.

    services: in the order of their start; they are stopped in the reverse order.
    run: folder for `up.lock` and `up.json`. about: folder and settings of the project, for `UpStatus`.
    on_ready: called once, when all are ready for the first time.
    on_trouble: called with a service's name and why, when it starts to fail again and again.
    """

    def __init__(
        self,
        services: Sequence[Service],
        log: Log,
        *,
        run: Path,
        about: tuple[str, str] = ("", ""),
        on_ready: Callable[[], None] = lambda: None,
        on_trouble: Callable[[str, str], None] = lambda name, why: None,
    ) -> None:
        self._children = [_Child(service) for service in services]
        self._run, self._about = run, about
        self._log_to, self._log_lock = log, threading.Lock()
        self._on_ready, self._on_trouble = on_ready, on_trouble
        self._token, self._since = uuid.uuid4().hex, time.time()
        self._asked = 0
        self._announced, self._stale = False, False
        self._wake_read, self._wake_write = os.pipe()
        self._life_read, self._life_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)

    def stop(self) -> None:
        """Ask `run` to stop all services and return; asked again, it does so at once. From any thread."""
        self._asked += 1
        self._wake()

    def run(self) -> int:
        """Until stopped by `stop`, SIGINT, SIGTERM or SIGHUP. 0 if every service ended in time, else 1.

        Call it in the thread that lives longest: on Linux children end with the thread that started them.
        Raises UsageError if another one runs for the same folder.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._run / "up.lock")
        if not lock.take(1.0):
            other = _read(self._run / "up.json")
            raise UsageError(f"`fairlead up` runs for this home already{f' (process {other.pid})' if other else ''}.")
        try:
            self._clear_leftovers()
            with self._signals():
                # First, so that children of a supervisor that is killed right here can be found by its token.
                self._publish()
                for child in self._children:
                    self._start(child)
                self._publish()
                while not self._asked:
                    self._sleep()
                    self._step()
                return self._stop_all()
        finally:
            for child in self._children:
                child.kill()  # those still there if an error led here
            lock.release()
            for fd in (self._wake_read, self._wake_write, self._life_read, self._life_write):
                os.close(fd)

    def _clear_leftovers(self) -> None:
        before = _read(self._run / "up.json")
        if before is not None and before.state == "running":
            count = end_all(before.token, within_s=max((c.service.stop_s for c in self._children), default=10.0))
            if count:
                self._log("up", f"ended {count} processes that a killed `fairlead up` had left")

    def _start(self, child: _Child) -> None:
        service = child.service
        lifeline = f"{self._life_read}:{os.fstat(self._life_read).st_ino}:{os.getpid()}"
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **service.env, LIFELINE: lifeline, TOKEN: self._token}
        child.began = time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603
                service.argv,
                env=env,
                cwd=service.cwd or None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(self._life_read,),
                process_group=0,
            )
        except OSError as error:
            self._after_death(child, f"cannot be started: {error.strerror}")
            return
        child.process = process
        self._move(child, "starting" if service.ready else "ready")
        threading.Thread(target=self._read_output, args=(child, process), daemon=True).start()

    def _read_output(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        ready = child.service.ready.encode()
        with process.stdout as output:
            while line := output.readline(_MAX_LINE):
                self._log(child.service.name, line.decode(errors="replace").rstrip("\r\n"))
                if ready and line.startswith(ready) and child.process is process and child.state == "starting":
                    self._move(child, "ready")
                    self._wake()

    def _step(self) -> None:
        """Notice who died, start who is due, announce readiness."""
        before = [child.status() for child in self._children]
        now = time.monotonic()
        for child in self._children:
            how = child.died()
            if how:
                self._after_death(child, how)
            elif child.process is None and now >= child.due:
                child.restarts += 1
                self._start(child)
        if not self._announced and all(child.state == "ready" for child in self._children):
            self._announced = True
            self._publish()
            self._on_ready()
        elif before != [child.status() for child in self._children] or self._stale:
            self._publish()

    def _after_death(self, child: _Child, how: str) -> None:
        early = time.monotonic() - child.began < _SETTLED_S
        child.early_deaths = child.early_deaths + 1 if early else 1
        longest = _LONGEST_AFTER_KILL_S if how == "signal SIGKILL" else _LONGEST_RESTART_S
        delay = min(longest, _FIRST_RESTART_S * 2 ** min(child.early_deaths - 1, 10))
        child.due = time.monotonic() + delay
        child.last_exit = how
        failing = child.early_deaths >= _FAILING_AFTER
        self._move(child, "failing" if failing else "restarting")
        self._log("up", f"{child.service.name} ended ({how}); it is started again in {delay:.1f} s")
        if child.early_deaths == _FAILING_AFTER:
            why = (
                f"{child.service.name} ended {_FAILING_AFTER} times within {_SETTLED_S:.0f} s of its start, last: {how}"
            )
            self._log("up", why)
            self._on_trouble(child.service.name, why)

    def _stop_all(self) -> int:
        """The last started first: SIGTERM, wait, SIGKILL."""
        late = 0
        self._log("up", "stopping")
        for child in reversed(self._children):
            if child.process is not None:
                child.process.terminate()
                deadline = time.monotonic() + child.service.stop_s
                while not _ended(child.process) and time.monotonic() < deadline and self._asked < 2:
                    self._sleep(0.05)
                if not _ended(child.process):
                    late += 1
                    self._log("up", f"{child.service.name} did not stop in time and was killed")
                    child.kill()
                    while not _ended(child.process):
                        time.sleep(0.01)
                child.last_exit = child.died() or child.last_exit
            self._move(child, "stopped")
        self._publish("stopped")
        return 1 if late else 0

    def _move(self, child: _Child, state: Literal["starting", "ready", "restarting", "failing", "stopped"]) -> None:
        child.state, child.since, self._stale = state, time.time(), True

    def _publish(self, state: Literal["running", "stopped"] = "running") -> None:
        self._stale = False
        services = tuple(child.status() for child in self._children)
        folder, settings = self._about
        status = UpStatus(
            os.getpid(), self._token, self._since, services, state, folder=folder, settings=settings
        )  # fmt: skip
        fd, temporary = tempfile.mkstemp(prefix="up.", dir=self._run)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(status))
        os.replace(temporary, self._run / "up.json")

    def _log(self, name: str, line: str) -> None:
        with self._log_lock:
            self._log_to(name, line)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except (BlockingIOError, OSError):
            return  # full: it will wake anyway; closed: all is over

    def _sleep(self, seconds: float = _TICK_S) -> None:
        """Until something happens, at most `seconds`."""
        if select.select([self._wake_read], [], [], seconds)[0]:
            os.read(self._wake_read, 4096)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals stop us and wake us; outside the main thread only `stop` does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def asked(_number: int, _frame: FrameType | None) -> None:
            self._asked += 1

        handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), asked)
        # A handler of its own for SIGCHLD, as an ignored signal would not wake us.
        before = {number: signal.signal(number, act) for number, act in handlers.items()}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, act in before.items():
                signal.signal(number, act)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended, without reaping it: until then its process id, and so its group's, is no one else's."""
    if process.returncode is not None:
        return True
    if not sys.platform.startswith("linux"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read(path: Path) -> UpStatus | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=UpStatus)
    except (OSError, ValueError):
        return None
