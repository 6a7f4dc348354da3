"""Real faults put into a real server: each is named for what it is, from the beats of its workers alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import stand_in
from tests.conftest import eventually

from fairlead.contract.events import Finding
from fairlead.contract.routes import Variant
from fairlead.ops.monitor.infrastructure.limits import findings_of
from fairlead.ops.monitor.infrastructure.minutes import Minute, newest_minute
from fairlead.ops.monitor.infrastructure.naming import name_causes
from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.observing.beats import read_beats

OFTEN = (
    "import fairlead.runtime.serve.observing.beats as b, fairlead.runtime.serve.observing.pulse as p\n"
    "b.BEAT_S = p.BEAT_S = 0.5"
)
"""Beats twice a second, so that a test need not wait for many."""


@contextlib.contextmanager
def load(port: int, threads: int = 1, pause_s: float = 0.0) -> Iterator[None]:
    """Requests one after the other for as long as this lasts."""
    over = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        row = dict(asking.ROW)
        while not over.wait(pause_s):
            try:
                connection.request("POST", "/predict", json.dumps(row), {"content-type": "application/json"})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()

    asks = [threading.Thread(target=ask, daemon=True) for _ in range(threads)]
    for one in asks:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in asks:
            one.join(timeout=20)


def minute(home: Path) -> Minute | None:
    now = time.time()
    return newest_minute(read_beats(home / "run", now - 120), now, "churn")


def blamed(home: Path) -> str:
    found = minute(home)
    causes = name_causes(found, queue=512) if found is not None else ()
    return causes[0].name if causes else ""


def why(home: Path) -> str:
    """Of what is blamed most."""
    found = minute(home)
    causes = name_causes(found, queue=512) if found is not None else ()
    return causes[0].why if causes else ""


def test_a_server_that_is_well_says_what_it_does_and_blames_nobody(home: Path) -> None:
    with asking.server(home, first=OFTEN) as server, load(server.port):
        found = eventually(lambda: (m := minute(home)) and m.requests > 50 and m.seconds > 1 and m, what="beats")
        (worker,) = [one for one in found.workers if not one.role]
        assert 0 < worker.busy <= 1
        assert worker.resident_bytes > 1 << 20
        assert found.disk_free > 0
        assert found.quantile_ms(0.5) > 0
        assert [(one.variant, one.version, one.failed) for one in found.answered] == [("champion", "1", 0)]
        assert not [c for c in name_causes(found, queue=512) if c.name in {"slow disk", "disk full", "spool full"}]


def test_a_worker_that_is_stopped_again_and_again_is_starved(home: Path) -> None:
    with asking.server(home, first=OFTEN) as server, load(server.port, pause_s=0.01):
        (worker,) = live_workers(home)
        eventually(lambda: minute(home), what="a beat")

        def stopped() -> bool:
            os.kill(worker.pid, signal.SIGSTOP)
            threading.Event().wait(0.4)
            os.kill(worker.pid, signal.SIGCONT)
            threading.Event().wait(0.05)
            return "stopped or suspended" in why(home)

        try:
            eventually(stopped, within_s=30, what="the worker named starved")
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        assert blamed(home) == "starved worker"


SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    usleep(900000);
    return real(fd);
}
"""


def test_a_disk_that_takes_long_is_a_slow_disk(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "slow.c").write_text(SLOW)
    try:
        built = ["cc", "-shared", "-fPIC", "-o", str(folder / "slow.so"), str(folder / "slow.c"), "-ldl"]
        subprocess.run(built, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("a C compiler is not here: this test makes a disk slow with it")
    monkeypatch.setenv("LD_PRELOAD", str(folder / "slow.so"))
    with asking.server(home, first=OFTEN) as server, load(server.port, pause_s=0.01):

        def found() -> list[Finding]:
            seen = minute(home)
            causes = () if seen is None else name_causes(seen, queue=512)
            return [] if seen is None else findings_of("churn", seen, (), {"sync_ms": 500.0}, 512, causes)

        (finding,) = eventually(found, within_s=30, what="the limit broken")
        assert finding.causes[0].name == "slow disk"
        assert finding.size >= 900


def test_a_disk_that_is_full_is_named_and_serving_goes_on(home: Path) -> None:
    (home / "spool").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(home / "spool")]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system: this test fills one")
    try:
        with asking.server(home, first=OFTEN) as server, load(server.port):
            found = eventually(
                lambda: (m := minute(home)) and m.dropped.get("disk_full") and m, within_s=60, what="rows dropped"
            )
            assert blamed(home) == "disk full"
            assert found.failed == 0
    finally:
        subprocess.run(["umount", "-l", str(home / "spool")], capture_output=True, check=False)


def test_a_challenger_that_fails_is_the_code_and_not_the_machine(home: Path) -> None:
    stand_in.write(home / "bundles" / asking.SECOND, shift="no number")
    challenger = Variant("challenger", asking.SECOND, 2, weight=0.3)
    asking.deploy(home, Variant("champion", asking.FIRST, 1, weight=0.7), challenger)
    with asking.server(home, first=OFTEN) as server, load(server.port):
        eventually(lambda: blamed(home) == "challenger (version 2)", within_s=30, what="the challenger named")
        found = minute(home)
        assert found is not None
        (cause, *_) = name_causes(found, queue=512)
        assert cause.kind == "version"
        assert "of the others" in cause.why


@pytest.mark.long
def test_a_worker_beside_programs_that_compute_all_the_time_is_starved(home: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with asking.server(home, first=OFTEN) as server:
        (worker,) = live_workers(home)
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        try:
            for pid in (worker.pid, *(hog.pid for hog in hogs)):
                os.sched_setaffinity(pid, {core})
            with load(server.port, threads=4):
                eventually(lambda: blamed(home) == "starved worker", within_s=60, what="the worker named starved")
                found = minute(home)
                assert found is not None
                assert "other processes" in name_causes(found, queue=512)[0].why
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
