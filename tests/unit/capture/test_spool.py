"""The spool of one worker: books that hold after crashes, bounds, a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.capture import Spool, Tally, collect, reconcile
from fairlead.runtime.capture.spool import segments
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


def test_every_write_ends_with_running_counts_and_describes_its_bundles_once(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        assert write(spool, number, 2)
    (path,) = segments(spool.folder)
    kinds = [type(frame).__name__ for _, _, frame in frames.scan(path)]
    assert kinds == ["Counts", "Schema", *["Prediction", "Counts"] * 3]
    last = [frame for _, _, frame in frames.scan(path)][-1]
    assert (last.answered, last.captured) == (6, 6)  # type: ignore[union-attr]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_restarted_worker_begins_a_segment_and_counts_on(tmp_path: Path) -> None:
    for turn in range(3):
        spool = opened(tmp_path)
        assert spool.counts.answered == turn
        write(spool, turn)
        spool.close()
    assert len(segments(spool.folder)) == 3
    assert reconcile(tmp_path).ok


@pytest.mark.parametrize("cut", [1, 20, 40, 80, 120])
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


WRITES = """
import os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_spool import opened, write
spool = opened(Path(sys.argv[1]))
assert write(spool, 0)
(path,) = spool.folder.glob("*.spool")
"""


def in_a_process(program: str, home: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", WRITES + program, str(home), str(Path(__file__).parent)]
    return subprocess.run(command, timeout=60, text=True, capture_output=True)


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


def test_a_disk_that_is_full_is_survived_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    mounted = f"mount -t tmpfs -o size=64k tmpfs {small} || exit 77; "
    if shutil.which("unshare") is None or subprocess.run([*own, "sh", "-c", mounted], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here (unshare, tmpfs): a full disk cannot be had")
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
        *own,
        "sh",
        "-c",
        mounted + 'exec "$@"',
        "sh",
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
