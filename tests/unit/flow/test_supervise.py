"""`up` and its processes, with real ones: killed, stubborn, failing, orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fairlead.contract.errors import UsageError
from fairlead.ops.flow.lifeline import bearing
from fairlead.ops.flow.supervise import Service, ServiceStatus, Supervisor, UpStatus, read_up
from fairlead.ops.state import FileLock

STEADY = """
import os, signal, sys, time
from fairlead.ops.flow.lifeline import die_with_parent
def end(*_):
    print('ending', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
die_with_parent(grace_s=1.0)
print('ready', os.getpid(), flush=True)
while True: signal.pause()
"""
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\nwhile 1: signal.pause()"
)
FAILING = "print('no configuration'); raise SystemExit(2)"
# A server with a worker of its own, which does not know that it must end with it.
FAMILY = """
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, '-c', 'import signal\\nwhile 1: signal.pause()'])
print('worker', child.pid, flush=True)
print('ready', flush=True)
while True: signal.pause()
"""


def python(name: str, code: str, *, stop_s: float = 5.0) -> Service:
    return Service(name, (sys.executable, "-c", code), ready="ready", stop_s=stop_s)


def eventually(holds: Callable[[], object], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Up:
    """A supervisor in a thread, with what it said."""

    def __init__(self, run: Path, services: list[Service]) -> None:
        self.lines: list[tuple[str, str]] = []
        self.troubles: list[str] = []
        self.ready = threading.Event()
        self.codes: list[int] = []
        self.run = run
        self.supervisor = Supervisor(
            services,
            lambda name, line: self.lines.append((name, line)),
            run=run,
            on_ready=self.ready.set,
            on_trouble=lambda name, why: self.troubles.append(name),
        )
        self.thread = threading.Thread(target=lambda: self.codes.append(self.supervisor.run()))
        self.thread.start()

    def status(self, name: str) -> ServiceStatus:
        up = msgspec.json.decode((self.run / "up.json").read_bytes(), type=UpStatus)
        return next(service for service in up.services if service.name == name)

    def pid(self, name: str) -> int:
        found = self.status(name).pid
        assert found is not None
        return found

    def stop(self) -> int:
        self.supervisor.stop()
        self.thread.join(20)
        return self.codes[0]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*services: Service) -> Up:
        started.append(Up(tmp_path / "run", list(services)))
        return started[-1]

    yield start
    for one in started:
        if one.thread.is_alive():
            one.supervisor.stop()
            one.supervisor.stop()
            one.thread.join(20)


def test_services_become_ready_and_stop_in_reverse_order(up: Callable[..., Up], tmp_path: Path) -> None:
    one = up(python("server", STEADY), python("collector", STEADY), python("watcher", STEADY))
    assert one.ready.wait(60)
    status = read_up(tmp_path / "run")
    assert status is not None
    assert [service.state for service in status.services] == ["ready"] * 3
    pids = [service.pid for service in status.services]
    assert one.stop() == 0
    assert [name for name, line in one.lines if line == "ending"] == ["watcher", "collector", "server"]
    assert not any(alive(pid) for pid in pids if pid)
    assert read_up(tmp_path / "run") is None


def test_a_child_killed_with_9_is_started_again_and_the_others_go_on(up: Callable[..., Up]) -> None:
    one = up(python("server", STEADY), python("watcher", STEADY))
    assert one.ready.wait(60)
    first, other = one.pid("server"), one.pid("watcher")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: one.status("server").state == "ready" and one.status("server").pid != first)
    assert one.pid("watcher") == other
    assert one.status("server").restarts == 1
    assert one.status("server").last_exit == "signal SIGKILL"
    assert one.stop() == 0


def test_what_a_killed_child_leaves_behind_goes_before_it_is_started_again(up: Callable[..., Up]) -> None:
    one = up(python("server", FAMILY))
    assert one.ready.wait(60)
    orphan = int(next(line.split()[1] for _, line in one.lines if line.startswith("worker")))
    assert alive(orphan)
    os.kill(one.pid("server"), signal.SIGKILL)
    eventually(lambda: one.status("server").restarts == 1)
    eventually(lambda: not alive(orphan))
    one.stop()


def test_a_child_that_dies_at_once_is_reported_once_and_holds_up_nobody(up: Callable[..., Up]) -> None:
    one = up(python("server", STEADY), python("watcher", FAILING))
    eventually(lambda: one.troubles)
    assert one.troubles == ["watcher"]
    # Told first, published then; and what a service says comes by a thread of its own.
    eventually(lambda: one.status("watcher").state == "failing")
    eventually(lambda: one.status("server").state == "ready")
    eventually(lambda: ("watcher", "no configuration") in one.lines)
    assert one.status("watcher").last_exit == "exit code 2"
    assert not one.ready.is_set()
    assert one.stop() == 0


def test_a_program_that_cannot_be_started_is_a_failing_service(up: Callable[..., Up], tmp_path: Path) -> None:
    one = up(Service("server", ("/nonexistent/program",)))
    eventually((tmp_path / "run" / "up.json").exists)
    eventually(lambda: one.status("server").last_exit)
    assert one.status("server").last_exit == "cannot be started: No such file or directory"
    assert one.stop() == 0


def test_a_child_that_ignores_sigterm_is_killed_within_its_bound(up: Callable[..., Up]) -> None:
    one = up(python("server", STUBBORN, stop_s=0.3))
    assert one.ready.wait(60)
    pid = one.pid("server")
    assert one.stop() == 1
    assert not alive(pid)


def test_only_one_runs_for_a_home(up: Callable[..., Up], tmp_path: Path) -> None:
    one = up(python("server", STEADY))
    assert one.ready.wait(60)
    with pytest.raises(UsageError, match=f"runs for this home already \\(process {os.getpid()}\\)"):
        Supervisor([], lambda name, line: None, run=tmp_path / "run").run()
    assert one.stop() == 0


OUTER = f"""
import sys
from pathlib import Path
from fairlead.ops.flow.supervise import Service, Supervisor
steady = {STEADY!r}
stubborn = {STUBBORN!r}
stop_s = float(sys.argv[2])
codes = (('server', steady), ('deaf', stubborn))
services = [Service(n, (sys.executable, '-c', c), ready='ready', stop_s=stop_s) for n, c in codes]
say = lambda name, line: print(name, line, flush=True)
sys.exit(Supervisor(services, say, run=Path(sys.argv[1]), on_ready=lambda: say('up', 'all ready')).run())
"""


def outer(run: Path, stop_s: float = 0.5) -> tuple[subprocess.Popen[str], UpStatus]:
    process = subprocess.Popen([sys.executable, "-c", OUTER, str(run), str(stop_s)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("up all ready"):
            break
    return process, msgspec.json.decode((run / "up.json").read_bytes(), type=UpStatus)


def test_children_end_with_a_supervisor_killed_with_9_and_the_next_clears_the_rest(tmp_path: Path) -> None:
    process, status = outer(tmp_path)
    server, deaf = (service.pid for service in status.services)
    assert server
    assert deaf
    process.kill()
    process.wait()
    eventually(lambda: not alive(server))
    assert alive(deaf), "this one never called die_with_parent, so only the next `up` can end it"
    assert read_up(tmp_path) is None
    assert bearing(status.token) == [deaf]
    again, now = outer(tmp_path)
    assert not alive(deaf)
    assert now.token != status.token
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 1, "the deaf one had to be killed"
    assert not bearing(now.token)


def test_ctrl_c_twice_stops_at_once(tmp_path: Path) -> None:
    process, status = outer(tmp_path, stop_s=300)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any(line == "up stopping\n" for line in process.stdout)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1, "stop_s is 300 s"
    assert not bearing(status.token)


def test_a_lock_file_left_by_a_dead_process_is_no_lock(tmp_path: Path) -> None:
    holder = "import sys, time; from pathlib import Path; from fairlead.ops.state import FileLock\n"
    holder += "assert FileLock(Path(sys.argv[1])).take(); print('held', flush=True); time.sleep(60)"
    path = tmp_path / "up.lock"
    process = subprocess.Popen([sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    # The lock object is a temporary that is dropped unreleased: only its process holds it.
    assert process.stdout.readline() == b"held\n"
    assert not FileLock(path).take()
    process.kill()
    process.wait()
    lock = FileLock(path)
    assert lock.take()
    lock.release()
