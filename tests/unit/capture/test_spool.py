"""The spool of one worker: books that hold after crashes, bounds, a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import eventually

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.capture import Records, Spool, Tally, collect, reconcile
from fairlead.runtime.capture.ahead import reserve
from fairlead.runtime.capture.spool import AHEAD_FROM, AHEAD_MOST, counts_of, segments
from fairlead.runtime.capture.tended import TendedSpool
from fairlead.runtime.wire import frames

SIGNATURE = Signature("classification", (Column("x", "number"),), classes=("a", "b"), key="id")
SCHEMA = frames.Schema("m", "b1", 1, SIGNATURE, [], ["id"])


def prediction(number: int, rows: int = 1, at: float = 1_600_000_000.0) -> bytes:
    cells = [[float(number)]] * rows
    return frames.encode(
        frames.Prediction(at + number, 0.001, f"r{number}", None, "m", "b1", "champion", "native",
                          cells, None, None, ["a"] * rows, [[0.9, 0.1]] * rows)
    )  # fmt: skip


def write(spool: Spool, number: int, rows: int = 1) -> bool:
    return spool.append([prediction(number, rows)], [SCHEMA], Tally(answered=rows, captured=rows))


def opened(home: Path, **how: object) -> Spool:
    return Spool(home / "spool", "i", "0", how.pop("max_bytes", 1 << 30), **how)  # type: ignore[arg-type]


def kinds(path: Path) -> list[str]:
    return [type(frame).__name__ for _, _, frame in frames.scan(path)]


def test_a_segment_opens_with_counts_describes_its_bundles_once_and_counts_again_by_the_second(tmp_path: Path) -> None:
    seconds = iter([0.0, 0.5, 1.5, 1.6, 1.7])
    spool = opened(tmp_path, timer=lambda: next(seconds, 9.0))
    for number in range(4):
        assert write(spool, number, 2)
    (path,) = segments(spool.folder)
    assert kinds(path) == ["Counts", "Schema", "Prediction", "Prediction", "Prediction", "Counts", "Prediction"]
    assert path.stat().st_mode & 0o777 == 0o600
    counts = counts_of(path)
    assert counts is not None
    assert (counts.answered, counts.captured) == (8, 8)


def tick(number: int, *sizes: int, passes: bool = False) -> bytes:
    """Requests `t<number>.0`, `t<number>.1`, ... with so many rows each."""
    rows = sum(sizes)
    return frames.encode(
        frames.Tick(1_600_000_000.0 + number, "m", "b1", "champion", "v2",
                    [1_600_000_000.0 + number - 0.5] * len(sizes), [f"t{number}.{at}" for at in range(len(sizes))],
                    None, None if set(sizes) == {1} else list(sizes), [[float(at)] for at in range(rows)],
                    [[f"k{at}"] for at in range(rows)] if passes else None, ["a"] * rows, [[0.9, 0.1]] * rows)
    )  # fmt: skip


def test_requests_of_a_tick_become_records_with_identities_of_their_own(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    shapes = [(1, 1, 1), (2, 1, 3), (1,), (1,) * 40]
    for number, sizes in enumerate(shapes):
        assert write(spool, 100 + number)
        assert spool.append([tick(number, *sizes, passes=True)], [SCHEMA], Tally(sum(sizes), sum(sizes)))
    collect(tmp_path)
    table = Records(tmp_path, "m").between(None, None)
    identities = set(zip(*(table.column(name).to_pylist() for name in ("segment", "offset", "row")), strict=True))
    assert len(identities) == table.num_rows == sum(map(sum, shapes)) + len(shapes)
    got = table.to_pylist()
    second = [row for row in got if row["request"].startswith("t1.")]
    assert {(row["request"], row["row"], row["in.x"], row["key"]) for row in second} == {
        ("t1.0", 0, 0.0, "k0"), ("t1.0", 1, 1.0, "k1"), ("t1.1", 0, 2.0, "k2"),
        ("t1.2", 0, 3.0, "k3"), ("t1.2", 1, 4.0, "k4"), ("t1.2", 2, 5.0, "k5"),
    }  # fmt: skip
    assert {row["latency_s"] for row in got} == {0.5, 0.001}
    assert {row["protocol"] for row in got} == {"v2", "native"}
    books = reconcile(tmp_path)
    assert books.ok
    assert books.captured == table.num_rows


def test_who_follows_by_position_meets_each_request_of_a_tick_once(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    records, cursor, seen = Records(tmp_path, "m"), "", []
    for number in range(20):
        spool.append([tick(number, 1, 2, 1)], [SCHEMA], Tally(4, 4))
        if number % 3 == 0:
            collect(tmp_path)
            table, cursor = records.since(cursor)
            seen += zip(table.column("request").to_pylist(), table.column("row").to_pylist(), strict=True)
    collect(tmp_path)
    table, cursor = records.since(cursor)
    seen += zip(table.column("request").to_pylist(), table.column("row").to_pylist(), strict=True)
    assert len(seen) == len(set(seen)) == 80


def test_a_restarted_worker_begins_a_segment_and_counts_on(tmp_path: Path) -> None:
    for turn in range(3):
        spool = opened(tmp_path)
        assert spool.counts.answered == turn
        write(spool, turn)
        spool.close()
    assert len(segments(spool.folder)) == 3
    assert reconcile(tmp_path).ok


@pytest.mark.parametrize("cut", [1, 20, 40, 60, 80])
def test_a_torn_end_loses_only_what_was_never_acknowledged(tmp_path: Path, cut: int) -> None:
    spool = opened(tmp_path)
    write(spool, 0)
    write(spool, 1)
    (path,) = segments(spool.folder)
    os.truncate(path, path.stat().st_size - cut)
    again = opened(tmp_path)
    write(again, 2)
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert books.answered == books.collected
    assert books.answered in (2, 3)


def test_segments_rotate_by_size_and_the_finished_ones_go_once_collected(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment_bytes=1000)
    for number in range(40):
        write(spool, number)
    many = len(segments(spool.folder))
    assert many >= 4
    done = collect(tmp_path)
    assert (done.records, done.segments) == (40, many - 1)
    assert len(segments(spool.folder)) == 1
    assert collect(tmp_path).records == 0
    assert reconcile(tmp_path).ok
    assert opened(tmp_path).counts.answered == 40


def test_at_its_bound_rows_are_dropped_and_counted_and_room_made_by_the_collector_is_used(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=5000, segment_bytes=1000)
    kept = sum(write(spool, number) for number in range(60))
    assert 0 < kept < 60
    assert spool.counts.dropped == {"spool_full": 60 - kept}
    collect(tmp_path)
    spool._measured = 0.0
    assert write(spool, 60)
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.captured, books.dropped) == (61, kept + 1, 60 - kept)


def test_what_left_no_frame_is_known_after_a_kill(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=5000, segment_bytes=1000)
    kept = sum(write(spool, number) for number in range(60))
    for _ in range(7):
        spool.append([], [], Tally(answered=3, sampled_out=3))
    # As after kill -9: nothing is closed, another process begins with what is on the disk.
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.captured, books.sampled_out, books.dropped) == (81, kept, 21, 60 - kept)
    again = opened(tmp_path)
    assert again.counts.dropped == {"spool_full": 60 - kept}
    assert (again.counts.answered, again.counts.sampled_out) == (81, 21)


def test_a_clock_that_is_set_neither_stops_rotation_nor_the_books(tmp_path: Path) -> None:
    wall = iter([1.6e9, 0.0, 1.7e9, 5.0, 4e9, 1.0])
    timer = iter(range(0, 100_000, 700))
    spool = opened(tmp_path, clock=lambda: next(wall, 1.6e9), timer=lambda: float(next(timer)), segment_s=2000.0)
    for number in range(30):
        assert write(spool, number)
    found = segments(spool.folder)
    assert len(found) == 10
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert books.collected == 30


def test_a_turned_segment_can_be_collected_whole_and_removed(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    write(spool, 0)
    (first,) = segments(spool.folder)
    spool.turn()
    assert collect(tmp_path).segments == 1
    assert not first.exists()
    write(spool, 1)
    collect(tmp_path)
    assert reconcile(tmp_path).ok
    assert reconcile(tmp_path).collected == 2


WRITES = """
import os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_spool
from test_spool import opened, write
spool = opened(Path(sys.argv[1]))
assert write(spool, 0)
(path,) = spool.folder.glob("*.spool")
"""


def in_a_process(program: str, home: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", WRITES + program, str(home), str(Path(__file__).parent)]
    return subprocess.run(command, timeout=300, text=True, capture_output=True)


def test_a_write_that_the_system_cuts_short_is_taken_back_and_the_segment_stays_readable(tmp_path: Path) -> None:
    # The file may grow by 50 bytes more: the first write is short, the one for the rest fails.
    done = in_a_process(
        """
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, unlimited[1]))
assert not write(spool, 1)
assert path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
assert write(spool, 2)
spool.close()
assert spool.counts.dropped == {"disk_error": 1}, spool.counts
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.captured, books.dropped) == (3, 2, 1)


def small_disk(tmp_path: Path, kib: int = 64) -> tuple[Path, list[str]]:
    """A folder, and what to put before a command so that it sees a disk of so many KiB there."""
    small = tmp_path / "small"
    small.mkdir()
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    mounted = f"mount -t tmpfs -o size={kib}k tmpfs {small} || exit 77; "
    if shutil.which("unshare") is None or subprocess.run([*own, "sh", "-c", mounted], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here (unshare, tmpfs): a full disk cannot be had")
    return small, [*own, "sh", "-c", mounted + 'exec "$@"', "sh"]


def test_a_disk_that_is_read_only_is_survived_and_used_once_it_can_be_written(tmp_path: Path) -> None:
    small, prefix = small_disk(tmp_path)
    done = in_a_process(
        """
import subprocess
from fairlead.runtime.capture import collect, reconcile
home = Path(sys.argv[1])
spool.close()
subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
spool = opened(home)
assert not write(spool, 1)
assert not write(spool, 2)
spool.append([], [], test_spool.Tally(answered=4, sampled_out=4))
assert spool.counts.dropped == {"disk_error": 2}, spool.counts
subprocess.run(["mount", "-o", "remount,rw", str(home)], check=True)
assert write(spool, 3)
del spool
books = reconcile(home)
assert books.ok, books
assert (books.answered, books.captured, books.sampled_out, books.dropped) == (8, 2, 4, 2), books
""",
        small,
        *prefix,
    )
    assert done.returncode == 0, done.stderr


def test_a_disk_that_is_full_is_survived_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    small, prefix = small_disk(tmp_path)
    # The mount is seen by that process alone, so it looks at its books there.
    done = in_a_process(
        """
from fairlead.runtime.capture import collect, reconcile
filler = open(Path(sys.argv[1]) / "filler", "wb", buffering=0)
try:
    while True:
        filler.write(bytes(4096))
except OSError:
    pass
kept = sum(write(spool, number) for number in range(1, 200))
assert kept < 199
assert spool.counts.dropped == {"disk_full": 199 - kept}, spool.counts
filler.truncate(0)
assert write(spool, 200)
spool.close()
collect(Path(sys.argv[1]))
books = reconcile(Path(sys.argv[1]))
assert books.ok, books
assert (books.answered, books.collected, books.dropped) == (201, kept + 2, 199 - kept), books
""",
        small,
        *prefix,
    )
    assert done.returncode == 0, done.stderr


def test_damage_in_the_middle_is_kept_for_a_person_and_said(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        write(spool, number)
    spool.close()
    (path,) = segments(spool.folder)
    data = bytearray(path.read_bytes())
    offsets = [offset for offset, _, frame in frames.scan(path) if isinstance(frame, frames.Prediction)]
    data[offsets[1] + 30] ^= 1
    path.write_bytes(bytes(data))
    write(opened(tmp_path), 3)
    assert collect(tmp_path).records == 2
    assert not path.exists()
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)
    assert not reconcile(tmp_path).ok


def test_what_an_older_version_wrote_is_read_and_counted_on(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "i" / "0"
    folder.mkdir(parents=True)
    old = [
        frames.encode(frames.Counts(1.6e9, 0, 0, 0, {}, 0, 0, 0)), frames.encode(SCHEMA),
        prediction(0, 2), frames.encode(frames.Counts(1.6e9, 5, 2, 3, {}, 0, 0, 0)),
        frames.encode(frames.Drop(1.6e9, "spool_full", 4)),
        frames.encode(frames.Counts(1.6e9, 9, 2, 3, {"spool_full": 4}, 0, 0, 0)),
        prediction(1, 1),
    ]  # fmt: skip
    (folder / "1600000000000.spool").write_bytes(b"".join(old))
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.captured, books.sampled_out, books.dropped) == (10, 3, 3, 4)
    spool = opened(tmp_path)
    spool.append([tick(1, 1, 2)], [SCHEMA], Tally(answered=4, captured=3, sampled_out=1))
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.collected, books.sampled_out, books.dropped) == (14, 6, 4, 4)


def test_a_tended_spool_is_brought_to_the_disk_by_interval(tmp_path: Path) -> None:
    spool = TendedSpool(0.02, tmp_path / "spool", "i", "0", 1 << 30)
    for number in range(3):
        write(spool, number)
        spool.turn()
        write(spool, number)
        eventually(lambda: not spool._dirty and not spool._retired and not spool._named, within_s=30)
    spool.close()
    assert reconcile(tmp_path).ok
    kept = TendedSpool(None, tmp_path / "spool", "i", "0", 1 << 30)
    write(kept, 9)
    kept.turn()
    assert not kept._retired, "left to the system, nothing waits"
    kept.close()


def taken(path: Path) -> int:
    """Bytes of the disk behind the end of a file."""
    found = path.stat()
    return found.st_blocks * 512 - found.st_size


def needs_blocks_ahead(folder: Path) -> None:
    with (folder / "probe").open("wb") as probe:
        if not reserve(probe.fileno(), 0, AHEAD_MOST):
            pytest.skip("the file system under the temporary folder gives no blocks ahead, or has none (fallocate)")
    (folder / "probe").unlink()


@pytest.mark.parametrize("durable", [True, False])
def test_a_busy_segment_has_blocks_ahead_and_gives_back_what_it_did_not_need(tmp_path: Path, durable: bool) -> None:
    needs_blocks_ahead(tmp_path)
    spool = opened(tmp_path, durable=durable)
    write(spool, 0)
    (path,) = segments(spool.folder)
    spool.prepare()
    assert taken(path) < 1 << 16, "a spool that hardly grows takes no room"
    written = 0
    while written < AHEAD_FROM:
        write(spool, 1, 100)
        written = path.stat().st_size
    spool.prepare()
    assert AHEAD_MOST // 2 > taken(path) > AHEAD_FROM
    assert path.stat().st_size == written, "readers see no byte of it"
    assert sum(kind == "Prediction" for kind in kinds(path)) == spool.counts.captured // 100 + 1
    spool.turn()
    spool.sync()
    assert taken(path) < 1 << 16
    assert path.stat().st_size == written


def test_blocks_ahead_stay_within_the_bounds_of_segment_and_spool(tmp_path: Path) -> None:
    needs_blocks_ahead(tmp_path)
    for name, bounds in (("a", {"max_bytes": 300_000}), ("b", {"segment_bytes": 200_000})):
        spool = opened(tmp_path / name, **bounds)
        for number in range(20):
            write(spool, number, 100)
            spool.prepare(1)
        (path,) = segments(spool.folder)
        assert path.stat().st_size + taken(path) <= max(bounds.values()) + (1 << 16)
        assert taken(path) > 1 << 15


def test_what_a_killed_worker_took_ahead_goes_with_its_segment(tmp_path: Path) -> None:
    needs_blocks_ahead(tmp_path)
    spool = opened(tmp_path)
    write(spool, 0, 1000)
    spool.prepare(1)
    (path,) = segments(spool.folder)
    assert taken(path) > AHEAD_FROM
    # As after kill -9: nothing is closed.
    again = opened(tmp_path)
    write(again, 1)
    assert collect(tmp_path).records == 1001
    assert not path.exists()
    assert reconcile(tmp_path).ok


def test_a_disk_too_small_to_take_blocks_ahead_is_filled_with_rows(tmp_path: Path) -> None:
    small, prefix = small_disk(tmp_path, 512)
    done = in_a_process(
        """
import itertools
for number in itertools.count(1):
    kept = write(spool, number, 100)
    spool.prepare(1)
    if not kept:
        break
assert spool.counts.dropped == {"disk_full": 100}, spool.counts
assert path.stat().st_size > 500_000, path.stat()
""",
        small,
        *prefix,
    )
    assert done.returncode == 0, done.stderr


def test_a_system_without_blocks_ahead_is_written_to_as_ever(tmp_path: Path) -> None:
    read, other = os.pipe()
    try:
        assert not reserve(other, 0, 1 << 20), "a pipe has no blocks"
    finally:
        os.close(read)
        os.close(other)
    spool = opened(tmp_path)
    write(spool, 0, 1000)
    fd, spool._fd = spool._fd, os.open(os.devnull, os.O_WRONLY)
    spool.prepare(1)
    os.close(spool._fd)
    spool._fd = fd
    write(spool, 1, 1000)
    spool.prepare(1)
    spool.close()
    assert collect(tmp_path).records == 2000


def test_memory_is_not_taken_ahead_for_a_spool_that_lies_in_memory(tmp_path: Path) -> None:
    small, prefix = small_disk(tmp_path, 64 << 10)
    done = in_a_process(
        """
while path.stat().st_size < 3 << 20:
    assert write(spool, 1, 1000)
spool.prepare()
found = path.stat()
assert found.st_blocks * 512 - found.st_size < 1 << 16, found
assert spool._reserved == -1
""",
        small,
        *prefix,
    )
    assert done.returncode == 0, done.stderr


def test_where_no_more_files_may_be_open_nothing_is_taken_ahead_and_rows_are_written(tmp_path: Path) -> None:
    done = in_a_process(
        """
most = resource.getrlimit(resource.RLIMIT_NOFILE)
write(spool, 1, 1000)
resource.setrlimit(resource.RLIMIT_NOFILE, (spool._fd + 1, most[1]))
spool.prepare(1)
assert spool._reserved == 0
assert write(spool, 2, 1000)
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
