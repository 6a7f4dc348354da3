"""One person erased: everything of theirs, nothing of others, counted, whatever is killed in between."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_spool import SCHEMA

from fairlead.runtime.capture import Records, Spool, Tally, collect, forget, keys, reconcile
from fairlead.runtime.capture.tended import TendedSpool
from fairlead.runtime.wire import frames

AT = 1_600_000_000.0
PEOPLE = ("anna-7590", "bert-1182", "carl-0001", "dora-4242")


def asked(number: int, *people: str) -> bytes:
    """A tick with a request of one row for each of these people."""
    return frames.encode(
        frames.Tick(AT + number, "m", "b1", "champion", "v2", [AT + number] * len(people),
                    [f"q{number}.{at}" for at in range(len(people))], None, None,
                    [[float(at)] for at in range(len(people))], [[who] for who in people],
                    ["a"] * len(people), [[0.9, 0.1]] * len(people))
    )  # fmt: skip


def told(number: int, at: int, who: str | None) -> bytes:
    """A label for a request, or for a key."""
    about = (None, 0, who) if who else (f"q{number}.{at}", 0, None)
    return frames.encode(frames.Label(AT + number, "m", None, [frames.Given(*about, None, "a", None, "word", "v1")]))


def write(spool: Spool, number: int) -> None:
    assert spool.append([asked(number, *PEOPLE)], [SCHEMA], Tally(4, 4))
    for at in range(4):
        assert spool.append([told(number, at, PEOPLE[at] if number % 2 else None)], [], Tally(labels=1))


def filled(home: Path, numbers: range, **how: object) -> Spool:
    spool = Spool(home / "spool", "i", "0", 1 << 30, key=keys.current(home), **how)  # type: ignore[arg-type]
    for number in numbers:
        write(spool, number)
    return spool


def held(home: Path) -> None:
    """The instance is nobody's now: its server has gone."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    (home / "run" / "instance-i.lock").touch()


def people(home: Path) -> dict[str, int]:
    table = Records(home, "m").between(None, None, shadows=True)
    found = table.column("key").to_pylist()
    return {who: found.count(who) for who in set(found)}


def labels(home: Path) -> int:
    return int(Records(home, "m").labels().num_rows)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("collected", [False, True])
def test_all_of_one_person_goes_and_nothing_of_others(
    tmp_path: Path, encrypted: bool, collected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encrypted:
        monkeypatch.setenv("K", os.urandom(32).hex())
        keys.configure(tmp_path, "env:K")
    spool = filled(tmp_path, range(10), segment_bytes=2000)
    if collected:
        collect(tmp_path)
    spool.close()
    held(tmp_path)
    done = forget(tmp_path, [PEOPLE[0]], model="m")
    assert (done.done, done.records, done.labels, done.waiting) == (True, 10, 10, ())
    assert people(tmp_path) == dict.fromkeys(PEOPLE[1:], 10)
    assert labels(tmp_path) == 30
    at_rest = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PEOPLE[0].encode() not in at_rest
    assert encrypted or PEOPLE[1].encode() in b"".join(
        b" ".join(str(cell).encode() for cell in pq.read_table(path).column("key").to_pylist())
        for path in tmp_path.glob("records/**/*.parquet")
    )
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.collected, books.forgotten) == (40, 10)
    again = filled(tmp_path, range(10, 12))
    again.close()
    assert people(tmp_path) == dict.fromkeys(PEOPLE[1:], 10)
    collect(tmp_path)
    assert people(tmp_path) == {**dict.fromkeys(PEOPLE[1:], 12), PEOPLE[0]: 2}, "who comes back is new"


def test_by_request_and_by_a_feature(tmp_path: Path) -> None:
    filled(tmp_path, range(4)).close()
    held(tmp_path)
    assert forget(tmp_path, ["q2.1"], columns=["request"]).records == 1
    assert people(tmp_path)[PEOPLE[1]] == 3
    assert forget(tmp_path, ["3"], columns=["in.x", "pass.x"]).records == 4
    assert PEOPLE[3] not in people(tmp_path)
    assert forget(tmp_path, ["nobody"]).records == 0
    assert reconcile(tmp_path).ok
    assert reconcile(tmp_path).forgotten == 5


def test_a_segment_that_is_open_elsewhere_is_waited_for_and_rows_that_come_late_go_as_well(tmp_path: Path) -> None:
    spool = filled(tmp_path, range(3))
    done = forget(tmp_path, [PEOPLE[0]], wait_s=0.0)
    assert not done.done
    assert done.waiting == ("i/0",)
    assert PEOPLE[0] not in people(tmp_path)
    write(spool, 3)
    collect(tmp_path)
    assert PEOPLE[0] not in people(tmp_path)
    assert people(tmp_path)[PEOPLE[1]] == 4
    assert reconcile(tmp_path).ok
    spool.turn()
    write(spool, 4)
    collect(tmp_path)
    assert people(tmp_path)[PEOPLE[0]] == 1
    done = forget(tmp_path, [PEOPLE[0]], wait_s=0.0)
    assert done.records == 0
    assert reconcile(tmp_path).forgotten == 4


def test_a_worker_that_tends_its_spool_turns_when_asked(tmp_path: Path) -> None:
    spool = TendedSpool(None, tmp_path / "spool", "i", "0", 1 << 30)
    stop, begun = threading.Event(), threading.Event()

    def serve() -> None:
        number = 0
        while not stop.wait(0.005):
            write(spool, number := number + 1)
            if number == 20:
                begun.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert begun.wait(30.0)
        done = forget(tmp_path, [PEOPLE[0]], wait_s=20.0)
        assert done.done
        assert done.records >= 20
    finally:
        stop.set()
        thread.join()
        spool.close()
    collect(tmp_path)
    assert reconcile(tmp_path).ok
    found = people(tmp_path)
    assert found.get(PEOPLE[0], 0) == found[PEOPLE[1]] - done.records


def test_the_list_of_the_forgotten_does_not_remember_them(tmp_path: Path) -> None:
    spool = filled(tmp_path, range(3))
    forget(tmp_path, [PEOPLE[0]], wait_s=0.0)
    (path,) = (tmp_path / "forget").glob("*.json")
    assert PEOPLE[0].encode() not in path.read_bytes()
    assert b"q1.0" not in path.read_bytes()
    spool.close()
    held(tmp_path)
    forget(tmp_path, [PEOPLE[0]])
    assert b"values" not in path.read_bytes()
    assert (tmp_path / "keys" / "forget.key").stat().st_mode & 0o777 == 0o600


def test_files_whose_spool_has_gone_are_gone_through_as_well(tmp_path: Path) -> None:
    filled(tmp_path, range(3)).close()
    collect(tmp_path)
    shutil.rmtree(tmp_path / "spool")
    assert forget(tmp_path, [PEOPLE[0]], wait_s=0.0).records == 3


def test_half_written_files_of_the_killed_go_too(tmp_path: Path) -> None:
    filled(tmp_path, range(3)).close()
    collect(tmp_path)
    (path,) = tmp_path.glob("records/**/*.parquet")
    left = path.with_name(f".{path.name}.4711")
    left.write_bytes(path.read_bytes())
    held(tmp_path)
    assert forget(tmp_path, [PEOPLE[0]]).done
    assert not left.exists()


KILLED = """
import os, sys, signal
from pathlib import Path
import pyarrow.parquet
from fairlead.runtime.capture import forget
calls, at = 0, int(sys.argv[2])
def count(event, arguments):
    # Audit events mark every file operation: open, rename, remove, mkdir, flock.
    global calls
    if event in {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "fcntl.flock"}:
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
done = forget(Path(sys.argv[1]), [sys.argv[3]])
assert done.done, done
"""


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.long)])
def test_killed_at_any_file_operation_it_goes_on_and_the_books_hold(tmp_path: Path, kills: int) -> None:
    chance, wrote, died = random.Random(9), 0, 0
    held(tmp_path)
    while died < kills:
        spool = filled(tmp_path, range(wrote, wrote + 6), segment_bytes=1500)
        wrote += 6
        if chance.random() < 0.5:
            collect(tmp_path)
        spool.close()
        # More and more operations are let pass: what is killed again and again must still come to an end.
        for attempt in itertools.count(1):
            at = chance.randint(1, 150 * attempt)
            ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at), PEOPLE[0]], timeout=300)
            if ran.returncode == 0:
                break
            assert ran.returncode == -signal.SIGKILL
            died += 1
            assert reconcile(tmp_path).ok
        assert PEOPLE[0] not in people(tmp_path)
        assert people(tmp_path) == dict.fromkeys(PEOPLE[1:], wrote)
        assert labels(tmp_path) == 3 * wrote
        books = reconcile(tmp_path)
        assert books.ok
        assert books.forgotten == wrote
