"""Records at rest that only the key opens: spool and files, keys that change, and whatever somebody does to them."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_spool import SCHEMA, prediction, tick, write

from fairlead.contract.errors import ConfigInvalid, FormatUnknown, StateError
from fairlead.contract.settings import CaptureSettings
from fairlead.runtime.capture import Records, Spool, Tally, collect, expire, keys, reconcile, tended
from fairlead.runtime.capture.locking import lock_file, scan, unlock_file
from fairlead.runtime.capture.spool import segments
from fairlead.runtime.wire import frames

SECRET_TEXT = "a-name-that-nobody-may-read"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "records.key"
    path.write_text(os.urandom(32).hex() + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path, key_file: Path) -> Path:
    home = tmp_path / "home"
    assert keys.configure(home, f"file:{key_file}") is not None
    return home


def opened(home: Path, worker: str = "0", **how: object) -> Spool:
    return Spool(home / "spool", "i", worker, 1 << 30, key=keys.current(home), **how)  # type: ignore[arg-type]


def label(number: int) -> bytes:
    given = frames.Given(f"r{number}", 0, None, None, "a", None, SECRET_TEXT, "v1")
    return frames.encode(frames.Label(1_600_000_000.0, "m", None, [given]))


def filled(home: Path, rows: int = 5) -> Spool:
    spool = opened(home)
    for number in range(rows):
        assert write(spool, number)
        assert spool.append([tick(100 + number, 1, 2, passes=True)], [SCHEMA], Tally(3, 3))
        assert spool.append([label(number)], [], Tally(labels=1))
    return spool


def bytes_at_rest(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_all_that_reads_records_works_and_nothing_of_a_record_is_on_the_disk(home: Path) -> None:
    filled(home)
    plain = bytes_at_rest(home)
    assert collect(home).records == 20
    plain += bytes_at_rest(home)
    for text in (SECRET_TEXT, "champion", "t100.1", "customer", "latency_s"):
        assert text.encode() not in plain
    records = Records(home, "m")
    table, cursor = records.since()
    assert table.num_rows == 20
    assert records.since(cursor)[0].num_rows == 0
    assert records.joined(None, None).column("comment").to_pylist().count(SECRET_TEXT) == 5
    assert records.columns(None, None, ["in.x"]).num_rows == 20
    books = reconcile(home)
    assert books.ok
    assert (books.collected, books.waiting, books.labels) == (20, 0, 5)
    assert expire(home, 1, 4e9).records == 1


def test_a_worker_after_a_kill_counts_on_and_a_torn_end_is_left_out(home: Path) -> None:
    filled(home)
    (path,) = segments(home / "spool" / "i" / "0")
    os.truncate(path, path.stat().st_size - 7)
    again = opened(home)
    assert (again.counts.captured, again.counts.labels) == (20, 4)
    write(again, 50)
    collect(home)
    books = reconcile(home)
    assert books.ok
    assert (books.collected, books.labels) == (21, 4)
    assert not path.exists()


def test_no_two_writes_share_key_and_nonce(home: Path) -> None:
    used = set()
    for _ in range(3):
        spool = filled(home, 3)
        spool.turn()
        write(spool, 99)
    for path in segments(home / "spool" / "i" / "0"):
        salt = None
        for _, _, frame in frames.scan(path):
            if isinstance(frame, frames.Lock):
                salt = frame.salt
            assert isinstance(frame, (frames.Lock, frames.Locked))
            if isinstance(frame, frames.Locked):
                assert (salt, frame.count) not in used
                used.add((salt, frame.count))
    assert len(used) > 30


def test_a_write_that_failed_takes_its_nonce_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(home)
    write(spool, 0)
    kept, spool._fd = spool._fd, os.open("/dev/full", os.O_WRONLY)
    assert not write(spool, 1)
    os.close(spool._fd) if spool._fd >= 0 else None
    spool._fd = kept
    assert write(spool, 2)
    (path,) = segments(spool.folder)
    counts = [frame.count for _, _, frame in frames.scan(path) if isinstance(frame, frames.Locked)]
    assert counts == sorted(set(counts))
    assert len(counts) < counts[-1]


def damaged(home: Path) -> int:
    """Records that can still be had after somebody touched the only segment."""
    write(opened(home), 900)
    done = collect(home)
    assert list((home / "spool" / "i" / "0").glob("*.damaged"))
    assert not reconcile(home).ok
    return done.records - 1


def messages(path: Path) -> list[tuple[int, int]]:
    return [(offset, end) for offset, end, frame in frames.scan(path) if isinstance(frame, frames.Locked)]


def test_frames_cannot_be_moved_repeated_or_cut_out(home: Path) -> None:
    filled(home, 4)
    (path,) = segments(home / "spool" / "i" / "0")
    whole, parts = path.read_bytes(), messages(path)
    first, second = parts[3], parts[4]
    swapped = bytearray(whole)
    swapped[first[0] : second[1]] = whole[second[0] : second[1]] + whole[first[0] : first[1]]
    cut = whole[: first[0]] + whole[first[1] :]
    repeated = whole[: first[1]] + whole[first[0] :]
    forged = whole[: first[0]] + prediction(7) + whole[first[0] :]
    flipped = bytearray(whole)
    flipped[first[0] + 40] ^= 1
    for touched in (swapped, cut, repeated, forged, flipped):
        path.write_bytes(bytes(touched))
        offsets = [item.offset for item in scan(path)]
        assert max(offsets) < first[1], "nothing from the touched place on is believed"
    assert 0 < damaged(home) < 16


def test_a_segment_of_another_worker_does_not_open(home: Path) -> None:
    filled(home)
    (path,) = segments(home / "spool" / "i" / "0")
    other = home / "spool" / "i" / "1" / path.name
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    assert len(list(scan(other))) == 1


def test_a_file_of_another_place_does_not_open(home: Path) -> None:
    filled(home)
    collect(home)
    (path,) = home.glob("records/**/*.parquet")
    other = path.parent.parent / "23" / path.name
    other.parent.mkdir(exist_ok=True)
    path.rename(other)
    with pytest.raises(StateError, match="not where it was written"):
        Records(home, "m").between(None, None)


def test_a_changed_key_reads_what_is_older_and_writes_with_the_new_one(home: Path, key_file: Path) -> None:
    filled(home)
    collect(home)
    old = keys.current(home)
    key_file.write_text(os.urandom(32).hex() + "\n" + key_file.read_text())
    new = keys.configure(home, f"file:{key_file}")
    assert old is not None
    assert new is not None
    assert old.id != new.id
    write(opened(home), 200)
    assert len(reconcile(home).workers) == 1
    collect(home)
    assert Records(home, "m").between(None, None).num_rows == 21
    assert reconcile(home).ok


def test_another_source_of_keys_keeps_the_one_before_readable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(home)
    monkeypatch.setenv("RECORDS_KEY", os.urandom(32).hex())
    keys.configure(home, "env:RECORDS_KEY")
    write(opened(home), 200)
    collect(home)
    assert Records(home, "m").between(None, None).num_rows == 21


def test_without_its_key_nothing_is_read_and_the_message_says_what_to_set(home: Path, key_file: Path) -> None:
    filled(home)
    collect(home)
    lost = keys.current(home)
    key_file.write_text(os.urandom(32).hex())
    assert lost is not None
    for reads in (lambda: Records(home, "m").between(None, None), lambda: reconcile(home), lambda: opened(home)):
        with pytest.raises(ConfigInvalid, match=rf"capture\.encrypt: .*{lost.id}.*Give that key back"):
            reads()
    key_file.unlink()
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        collect(home)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("file:nowhere.key", "No such file"),
        ("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("command:false", "the command failed"),
        ("command:echo hello", "no key"),
        ("vault", "file:PATH, env:NAME or command:LINE"),
    ],
)
def test_a_source_that_gives_no_key_is_refused_and_changes_nothing(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        keys.configure(tmp_path, source)
    assert not (tmp_path / "keys").exists()


def test_keys_come_from_files_the_environment_and_commands_in_hex_base64_or_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    secret = os.urandom(32)
    (tmp_path / "raw").write_bytes(secret)
    (tmp_path / "b64").write_bytes(b"# the newest\n" + base64.b64encode(secret) + b"\n")
    monkeypatch.setenv("HEX", secret.hex().upper())
    sources = (f"file:{tmp_path / 'raw'}", f"file:{tmp_path / 'b64'}", "env:HEX", f"command:cat {tmp_path / 'b64'}")
    found = {keys.configure(tmp_path / "home", source) for source in sources}
    assert {key.secret for key in found if key} == {secret}
    assert secret.hex() not in repr(found)
    assert secret.hex().encode() not in bytes_at_rest(tmp_path / "home")


def test_switched_off_by_word_only(home: Path) -> None:
    assert keys.configure(home, "") is not None
    assert keys.configure(home, "off") is None
    spool = filled(home)
    spool.close()
    collect(home)
    (path,) = home.glob("records/**/*.parquet")
    assert pq.read_table(path).num_rows == 20


def test_a_server_that_lacks_the_key_of_what_waits_in_the_spool_does_not_start(home: Path, key_file: Path) -> None:
    filled(home)
    tended.take_keys(home, f"file:{key_file}")
    old = key_file.read_text()
    key_file.write_text(os.urandom(32).hex())
    with pytest.raises(ConfigInvalid, match="cannot be had"):
        tended.take_keys(home, f"file:{key_file}")
    key_file.write_text(key_file.read_text() + "\n" + old)
    tended.take_keys(home, f"file:{key_file}")


def test_a_path_in_the_settings_is_taken_from_their_folder(tmp_path: Path) -> None:
    wanted = keys.anchored(CaptureSettings(encrypt="file:keys/a"), tmp_path)
    assert wanted.encrypt == f"file:{tmp_path}/keys/a"
    assert keys.anchored(CaptureSettings(encrypt="env:K"), tmp_path).encrypt == "env:K"


@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(1, 255))
def test_a_file_that_is_written_whole_opens_as_it_was_or_not_at_all(data: bytes, at: int, flip: int) -> None:
    key = keys.Key("k", bytes(range(32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fairlead.runtime.capture.locking.find", lambda _home, _id: key)
        locked = lock_file(data, key, "loans.state")
        assert unlock_file(locked, Path(), "loans.state") == data
        assert lock_file(data, key, "loans.state") != locked, "no two share a key"
        with pytest.raises(FormatUnknown, match=r"other\.state is damaged"):
            unlock_file(locked, Path(), "other.state")
        body = locked.index(b"\n") + 1
        at = body + at % (len(locked) - body)
        with pytest.raises(FormatUnknown):
            unlock_file(locked[:at] + bytes([locked[at] ^ flip]) + locked[at + 1 :], Path(), "loans.state")


def test_a_file_that_was_never_encrypted_is_itself_and_a_lost_key_is_named(home: Path, key_file: Path) -> None:
    assert unlock_file(b"fairlead-learning 2\nrows", home, "x") == b"fairlead-learning 2\nrows"
    key = keys.current(home)
    assert key is not None
    locked = lock_file(SECRET_TEXT.encode(), key, "x")
    assert SECRET_TEXT.encode() not in locked
    assert unlock_file(locked, home, "x") == SECRET_TEXT.encode()
    key_file.write_text(os.urandom(32).hex() + "\n")
    with pytest.raises(ConfigInvalid, match=key.id):
        unlock_file(locked, home, "x")
