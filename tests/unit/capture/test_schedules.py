"""Random schedules with real processes: workers and collectors killed and stopped, disks that refuse, clocks set.

What a worker acknowledged is in the records once; what it said it dropped or sampled out is in the books. Only what
was under way when it was killed may be there as well, and then whole.
"""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fairlead.runtime.capture import Records, collect, keys, reconcile

HERE = Path(__file__).parent

WORKER = """
import os, random, resource, sys, threading, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_spool import SCHEMA, tick
from fairlead.runtime.capture import Spool, Tally, keys
home, first = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(first)
shift = 0.0
def wall():
    return time.time() + shift
spool = Spool(home / "spool", "i", "0", 1 << 20, segment_bytes=chance.choice((3000, 40_000, 1 << 20)),
              durable=chance.random() < 0.3, key=keys.current(home), clock=wall)
size = lambda: os.fstat(spool._fd).st_size if spool._fd >= 0 else 0
def tend():
    while True:
        spool.prepare(1)
        spool.sync()
if chance.random() < 0.5:
    threading.Thread(target=tend, daemon=True).start()
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
print("ready", first, flush=True)
number = first
while True:
    number += 1
    rows = chance.randint(1, 30)
    event = chance.random()
    if event < 0.03:
        # The next writes are cut short or refused, as on a disk that is full or read-only.
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(64, size() + chance.randint(0, 400)), unlimited[1]))
    elif event < 0.06:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    elif event < 0.08:
        shift += chance.choice((-1e6, -3600.0, -0.5, 0.5, 3600.0, 1e6))
    if event > 0.85:
        spool.append([], [], Tally(answered=rows, sampled_out=rows))
        said = "sampled"
    elif spool.append([tick(number, *[1] * rows)], [SCHEMA], Tally(rows, rows)):
        said = "captured"
    else:
        said = "dropped"
    os.write(1, f"{said} {number} {rows}\\n".encode())
"""

COLLECTOR = """
import sys, time
from pathlib import Path
from fairlead.runtime.capture import collect
while True:
    collect(Path(sys.argv[1]))
    time.sleep(0.01)
"""


class Schedule:
    """One worker and one collector, of which either may die at any moment."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.chance = home, random.Random(seed)
        self.said: collections.Counter[str] = collections.Counter()
        self.captured: dict[str, int] = {}
        self.most, self.kills, self.began = 0, 0, 0
        self.heard: list[list[str]] = []
        self.worker, self.ear = self.start_worker()
        self.collector = self.start_collector()

    def start_worker(self) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        self.began += 1_000_000
        heard = self.heard = []
        command = [sys.executable, "-c", WORKER, str(self.home), str(self.began), str(HERE)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)

        def listen() -> None:
            assert worker.stdout is not None
            for line in worker.stdout:
                if line.endswith(b"\n"):
                    heard.append(line.decode().split())

        ear = threading.Thread(target=listen)
        ear.start()
        return worker, ear

    def start_collector(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", COLLECTOR, str(self.home)])

    def wait(self, for_lines: int) -> None:
        deadline = time.monotonic() + 60.0
        while len(self.heard) < for_lines:
            assert self.worker.poll() is None, "the worker ended by itself"
            assert time.monotonic() < deadline, "the worker says nothing"
            time.sleep(0.002)

    def step(self) -> None:
        """Let them work a little, then do something bad to one of them."""
        self.wait(self.chance.randint(2, 120))
        what = self.chance.random()
        if what < 0.15:
            # A collector that is slow: it holds still while the worker goes on.
            os.kill(self.collector.pid, signal.SIGSTOP)
            self.wait(len(self.heard) + 100)
            os.kill(self.collector.pid, signal.SIGCONT)
        elif what < 0.45:
            self.collector.kill()
            self.collector.wait()
            self.kills += 1
            self.collector = self.start_collector()
        else:
            self.end_worker()
            self.kills += 1
            self.worker, self.ear = self.start_worker()

    def end_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.ear.join()
        for said, number, rows in (line for line in self.heard if line[0] != "ready"):
            self.said[said] += int(rows)
            if said == "captured":
                self.captured[number] = int(rows)
        # At most one write was under way, of at most 30 rows.
        self.most += 30

    def end(self) -> None:
        self.end_worker()
        self.collector.kill()
        self.collector.wait()


@pytest.mark.parametrize(
    ("kills", "encrypted"),
    [(5, True), pytest.param(60, False, marks=pytest.mark.long), pytest.param(60, True, marks=pytest.mark.long)],
)
def test_nothing_acknowledged_is_lost_or_doubled_and_the_books_are_exact(
    tmp_path: Path, kills: int, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if encrypted:
        monkeypatch.setenv("K", os.urandom(32).hex())
        keys.configure(home, "env:K")
    schedule = Schedule(home, kills + encrypted)
    try:
        while schedule.kills < kills:
            schedule.step()
            if schedule.kills % 5 == 0:
                assert reconcile(home).ok
    finally:
        schedule.end()
    collect(home)
    books = reconcile(home)
    assert books.ok, books
    found = collections.Counter(Records(home, "m").between(None, None).column("request").to_pylist())
    assert set(found.values()) == {1}
    by_tick = collections.Counter(request.partition(".")[0] for request in found)
    lost = {number: rows for number, rows in schedule.captured.items() if by_tick[f"t{number}"] != rows}
    assert not lost
    for kept, said in ((books.captured, "captured"), (books.sampled_out, "sampled"), (books.dropped, "dropped")):
        assert 0 <= kept - schedule.said[said] <= schedule.most, (said, kept, schedule.said)
    under_way = books.answered - sum(schedule.said.values())
    assert 0 <= under_way <= schedule.most
    assert schedule.said["dropped"] > 0


def test_the_books_hold_whenever_they_are_read_beside_a_collector(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    schedule = Schedule(home, 3)
    try:
        schedule.wait(200)
        for _ in range(40):
            books = reconcile(home)
            assert books.ok, books
    finally:
        schedule.end()
