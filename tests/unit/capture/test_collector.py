"""The collector, killed at random file operations in real processes: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_spool import SCHEMA, opened, prediction, write

from fairlead.runtime.capture import Records, Tally, collect, expire, reconcile
from fairlead.runtime.wire import frames

KILLED = """
import os, sys, signal
from pathlib import Path
from fairlead.runtime.capture import collect
calls, at = 0, int(sys.argv[2])
def count(event, arguments):
    # Audit events mark every file operation: open, rename, remove, mkdir, fsync's open.
    global calls
    if event in {"open", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock"}:
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
import pyarrow.parquet
sys.addaudithook(count)
collect(Path(sys.argv[1]))
"""


def all_records(home: Path) -> list[tuple[str, int, int]]:
    table = Records(home, "m").between(None, None)
    return list(zip(*(table.column(name).to_pylist() for name in ("segment", "offset", "row")), strict=True))


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.long)])
def test_killed_at_any_file_operation_it_neither_loses_nor_doubles(tmp_path: Path, kills: int) -> None:
    spool = opened(tmp_path, segment_bytes=3000)
    written = 0
    chance = random.Random(7)
    for _ in range(kills):
        for _ in range(chance.randint(5, 60)):
            write(spool, written, 2)
            written += 1
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(chance.randint(1, 60))], timeout=300)
        assert done.returncode in (0, -signal.SIGKILL)
        seen = all_records(tmp_path)
        assert len(seen) == len(set(seen))
        assert reconcile(tmp_path).ok
    collect(tmp_path)
    seen = all_records(tmp_path)
    assert len(seen) == len(set(seen)) == written * 2
    requests = Records(tmp_path, "m").between(None, None).column("request").to_pylist()
    assert sorted(requests) == sorted(f"r{number}" for number in range(written) for _ in range(2))
    assert reconcile(tmp_path).ok


def test_the_number_of_files_follows_traffic_and_not_how_often_it_collects(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    records, cursor, given = Records(tmp_path, "m"), "", []
    for number in range(30):
        write(spool, number)
        assert collect(tmp_path).records == 1
        table, cursor = records.since(cursor)
        given += table.column("request").to_pylist()
    assert given == [f"r{number}" for number in range(30)]
    assert len(list(tmp_path.glob("records/**/*.parquet"))) == 1


def test_files_lie_by_model_date_and_hour_under_the_segment_and_first_offset(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    hour = 1_599_998_400.0  # 2020-09-13 12:00 UTC
    spool.append([prediction(0, at=hour + 3599.0), prediction(1, at=hour + 3599.0)], [SCHEMA], Tally(2, 2))
    collect(tmp_path)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("records/**/*.parquet"))
    assert len(found) == 2
    assert found[0].startswith("records/m/2020-09-13/12/i-0-")
    assert found[1].startswith("records/m/2020-09-13/13/i-0-")
    table = pq.read_table(tmp_path / found[0])
    assert table.column("kind").to_pylist() == ["prediction"]


@pytest.mark.parametrize("restarts", [4, pytest.param(30, marks=pytest.mark.long)])
def test_a_follower_is_given_each_record_once_across_hours_restarts_and_rotation(tmp_path: Path, restarts: int) -> None:
    records, cursor, given = Records(tmp_path, "m"), "", []
    glance, glanced = "", []
    chance = random.Random(3)
    number = 0
    for _ in range(restarts):
        spool = opened(tmp_path, segment_bytes=2000)
        for _ in range(chance.randint(1, 30)):
            at = 1_600_000_000.0 + chance.uniform(-2, 2) * 3600
            spool.append([prediction(number, at=at)], [SCHEMA], Tally(1, 1))
            number += 1
        spool.close()
        collect(tmp_path)
        # Another process reads on with nothing but the cursor.
        records = Records(tmp_path, "m")
        while True:
            table, cursor = records.since(cursor, limit=10)
            if not table.num_rows:
                break
            given += table.column("request").to_pylist()
        while True:
            table, later = records.arrived(glance, 1_600_000_000.0, ["request"], limit=10)
            if later == glance:
                break
            glanced, glance = glanced + table.column("request").to_pylist(), later
    assert sorted(given) == sorted(f"r{one}" for one in range(number))
    every = records.between(None, None)
    late = [one for one, at in zip(*(every.column(name).to_pylist() for name in ("request", "arrived")), strict=True)
            if at >= 1_600_000_000.0]  # fmt: skip
    assert sorted(glanced) == sorted(late)
    assert late


def test_expiry_removes_whole_days_and_nothing_younger(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    day = 86_400.0
    for number in range(5):
        spool.append([prediction(0, at=1_600_000_000.0 + number * day)], [SCHEMA], Tally(1, 1))
    spool.append([frames.encode(frames.Label(1_600_000_000.0, "m", None, [
        frames.Given("r0", 0, None, None, "a", None, None, "v1")]))], [], Tally(labels=1))  # fmt: skip
    collect(tmp_path)
    gone = expire(tmp_path, 2, 1_600_000_000.0 + 4 * day)
    assert (gone.records, gone.labels) == (2, 1)
    assert Records(tmp_path, "m").between(None, None).num_rows == 3
    assert reconcile(tmp_path).ok


def test_one_collector_waits_for_another(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(200):
        write(spool, number)
    code = f"from pathlib import Path; from fairlead.runtime.capture import collect; collect(Path({str(tmp_path)!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ)) for _ in range(3)]
    assert [one.wait(60) for one in both] == [0, 0, 0]
    assert len(all_records(tmp_path)) == len(set(all_records(tmp_path))) == 200


def test_what_a_bundle_redacts_for_a_while_can_still_be_read_together(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    write(spool, 0)
    spool.close()
    collect(tmp_path)
    spool = opened(tmp_path)
    hidden = frames.Schema("m", "b2", 2, SCHEMA.signature, ["x"], ["id"])
    frame = frames.Prediction(
        1.6e9, 0.1, "r9", None, "m", "b2", "champion", "native", [["ab12"]], None, None, ["a"], [[1.0, 0.0]]
    )
    spool.append([frames.encode(frame)], [hidden], Tally(1, 1))
    collect(tmp_path)
    values = Records(tmp_path, "m").between(None, None).column("in.x").to_pylist()
    assert sorted(values) == ["0", "ab12"] or sorted(values) == ["0.0", "ab12"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_it_comes_to_an_end_while_a_worker_goes_on_writing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    stop = threading.Event()
    written = [0]

    def serve() -> None:
        while not stop.is_set():
            write(spool, written[0])
            written[0] += 1

    thread = threading.Thread(target=serve)
    patience = threading.Timer(20.0, stop.set)
    thread.start()
    patience.start()
    try:
        while written[0] < 100:
            pass
        collect(tmp_path)
        assert not stop.is_set(), "it went on for as long as there was something new"
    finally:
        stop.set()
        patience.cancel()
        thread.join()
    collect(tmp_path)
    assert len(set(all_records(tmp_path))) == written[0]
    assert reconcile(tmp_path).ok


@pytest.mark.parametrize("labels_between", [False, True])
def test_a_quiet_hour_that_was_collected_whole_does_not_hold_up_the_next(tmp_path: Path, labels_between: bool) -> None:
    spool = opened(tmp_path)
    hour = 1_599_998_400.0
    given, cursor = [], ""
    for number in range(3):
        spool.append([prediction(number, at=hour + number * 3600.0)], [SCHEMA], Tally(1, 1))
        assert collect(tmp_path).records == 1
        if labels_between:
            spool.append([frames.encode(frames.Label(hour, "m", None, [
                frames.Given(f"r{number}", 0, None, None, "a", None, None, "v1")]))], [], Tally(labels=1))  # fmt: skip
            assert collect(tmp_path).labels == 1
        table, cursor = Records(tmp_path, "m").since(cursor)
        given += table.column("request").to_pylist()
    assert given == ["r0", "r1", "r2"]
    assert reconcile(tmp_path).ok
