"""Backups: complete or not there, secret where keys are, and of one home alone."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import eventually

from fairlead.contract.errors import BundleRefused, FairleadError, FormatUnknown, Refused, UsageError
from fairlead.contract.stores import walk
from fairlead.ops.audit import Audit
from fairlead.ops.keep import BackedUp, KeyLock, backup, follow, lock_of, promote, restore, verify_backup
from fairlead.ops.keep.bringing import _safe
from fairlead.ops.keep.epochs import newest_head
from fairlead.ops.keep.snapshot import Head, Kept, Snapshot, head_name, read_snapshot, snapshot_name, write_snapshot
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey

LOCK = KeyLock("correct horse battery")


class Place:
    """A home with a state, an audit chain, keys and some records; and a store."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home").ensure()
        self.root = self.home.root
        self.key = SigningKey.create(self.home.seal_key)
        (self.home.keys / "redact.key").write_text("5ec4e7" * 10)
        (self.home.keys / "redact.key").chmod(0o600)
        self.state = State.open(self.home.state_db)
        self.address = str(folder / "store")
        self.store = store_of(self.address)
        self.write(0)

    def write(self, n: int) -> None:
        """One more event, record and document."""
        Audit(self.state, key=self.key, head=self.root / "audit.head").record("me", "write", "x", str(n))
        self.state.put("n", str(n).encode())
        path = self.home.records / "m" / f"{n}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(random.Random(n).randbytes(9000))

    def backup(self, keep: int = 0) -> BackedUp:
        return backup(self.root, self.state, self.key, self.store, LOCK, keep=keep)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.state.close()


def n_of(root: Path) -> bytes | None:
    with State.open(root / "state.db") as state:
        return state.get("n")


def test_a_home_comes_back_as_it_was(place: Place, tmp_path: Path) -> None:
    place.write(7)
    place.backup()
    place.write(8)
    done = restore(place.store, tmp_path / "back", LOCK)
    back = tmp_path / "back"
    assert n_of(back) == b"7"
    assert (done.events, done.keys, done.reused) == (2, True, 0)
    assert sorted(p.name for p in (back / "records" / "m").iterdir()) == ["0.parquet", "7.parquet"]
    assert SigningKey.load(back / "keys" / "seal.key").public == place.key.public
    assert (back / "keys").stat().st_mode & 0o777 == 0o700
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert verify_backup(place.store, LOCK, tmp_path).events == 2
    with pytest.raises(UsageError, match="is not empty"):
        restore(place.store, back, LOCK)


def test_only_what_changed_goes_up_and_older_snapshots_go(place: Place, tmp_path: Path) -> None:
    big = place.home.tables / "t" / "rows.parquet"
    big.parent.mkdir()
    big.write_bytes(random.Random(1).randbytes(9 << 20))
    first = place.backup()
    second = place.backup()
    place.write(2)
    third = place.backup(keep=2)
    assert first.stored > 9 << 20
    assert second.stored < 200_000, "the state's copy at most"
    assert third.pruned > 0
    assert [one.name.rsplit("/", 1)[1] for one in walk(place.store, "snapshots/")] == [
        f"{second.snapshot}.json", f"{third.snapshot}.json",
    ]  # fmt: skip
    restore(place.store, tmp_path / "back", LOCK)
    assert (tmp_path / "back" / "tables" / "t" / "rows.parquet").read_bytes() == big.read_bytes()


def test_keys_are_nowhere_in_the_clear(place: Place) -> None:
    place.backup()
    secrets = [path.read_bytes().strip() for path in place.home.keys.iterdir()]
    assert len(secrets) == 2
    for path in Path(place.address).rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            for secret in secrets:
                assert secret not in body
                assert bytes.fromhex(secret.decode()) not in body


def test_another_passphrase_opens_nothing(place: Place, tmp_path: Path) -> None:
    place.backup()
    with pytest.raises(Refused, match="do not open"):
        restore(place.store, tmp_path / "back", KeyLock("another horse battery"))
    with pytest.raises(UsageError, match="give --passphrase"):
        restore(place.store, tmp_path / "back", KeyLock())
    assert not (tmp_path / "back").exists()


def test_keys_may_be_locked_for_a_public_key(place: Place, tmp_path: Path) -> None:
    private, public = tmp_path / "backup.pem", tmp_path / "backup.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    locks = lock_of(recipient=public)
    assert not locks.opens
    backup(place.root, place.state, place.key, place.store, locks)
    with pytest.raises(UsageError, match="give --identity"):
        restore(place.store, tmp_path / "back", locks)
    assert restore(place.store, tmp_path / "back", lock_of(identity=private)).keys
    with pytest.raises(UsageError, match="no X25519 key"):
        lock_of(identity=public)


@pytest.mark.parametrize(
    ("reference", "said"),
    [("hunter2hunter2", "takes a reference"), ("env:NOT_SET_ANYWHERE", "is not set"), ("file:/nowhere", "cannot be")],
)
def test_a_passphrase_is_referred_to(reference: str, said: str) -> None:
    with pytest.raises(FairleadError, match=said) as caught:
        lock_of(reference)
    assert "hunter2" not in str(caught.value)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("short")
    with pytest.raises(UsageError, match="fewer than 12"):
        lock_of(f"file:{tmp_path / 'p'}")


def test_what_was_changed_in_the_store_is_not_restored(place: Place, tmp_path: Path) -> None:
    place.backup()
    parts = sorted(Path(place.address).rglob("objects/*/*"))
    assert len(parts) >= 4
    for n, path in enumerate(parts):
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(FairleadError):
            restore(place.store, tmp_path / f"back{n}", LOCK)
        assert not (tmp_path / f"back{n}").exists()
        path.write_bytes(before)
    restore(place.store, tmp_path / "back0", LOCK)


def test_a_snapshot_signed_by_a_stranger_is_refused(place: Place, tmp_path: Path) -> None:
    """Who can write to the store, and has not the home's key, cannot make it say something else."""
    place.backup()
    head = newest_head(place.store)
    snapshot = read_snapshot(place.store, head, None)
    stranger = SigningKey.create(tmp_path / "other.key")
    forged = msgspec.structs.replace(snapshot, signer=stranger.public, files=snapshot.files[:1])
    place.store.put(head_name(1), msgspec.json.encode(write_snapshot(place.store, forged, stranger)))
    with pytest.raises(BundleRefused, match="signed by another key"):
        restore(place.store, tmp_path / "back", LOCK)
    body = msgspec.json.encode(forged)
    place.store.put(snapshot_name(1, snapshot.id), b"ed25519 none\n" + body)
    digest = hashlib.sha256(b"ed25519 none\n" + body).hexdigest()
    place.store.put(head_name(1), msgspec.json.encode(Head(snapshot.id, 1, digest, 0.0)))
    with pytest.raises(BundleRefused, match="malformed"):
        restore(place.store, tmp_path / "back", LOCK)


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../x", "a//b", "", ".", "a\\b", "a\0b"])
def test_a_backup_names_no_file_outside_of_a_home(place: Place, tmp_path: Path, path: str) -> None:
    place.backup()
    snapshot = read_snapshot(place.store, newest_head(place.store), None)
    bad = msgspec.structs.replace(snapshot, files=(*snapshot.files, Kept(path, 0, 0o600, "", ())))
    place.store.put(head_name(1), msgspec.json.encode(write_snapshot(place.store, bad, place.key)))
    with pytest.raises(FormatUnknown, match="outside of a home"):
        restore(place.store, tmp_path / "back", LOCK)
    assert not (tmp_path / "out").exists()


@given(st.text(alphabet="ab./\\\0", max_size=12))
def test_safe_paths_stay_below(path: str) -> None:
    try:
        safe = _safe(path)
    except FormatUnknown:
        return
    assert (Path("/h") / safe).resolve().is_relative_to("/h")
    assert ".." not in safe.split("/")


def test_a_store_is_one_homes(place: Place, tmp_path: Path) -> None:
    place.backup()
    other = Place(tmp_path / "other")
    with pytest.raises(UsageError, match="backups of another home"):
        backup(other.root, other.state, other.key, place.store, LOCK)
    other.state.close()


def test_a_home_that_follows_is_promoted_and_the_one_before_is_told(place: Place, tmp_path: Path) -> None:
    two = tmp_path / "two"
    place.backup()
    assert follow(place.store, two, LOCK).new
    assert not follow(place.store, two, LOCK).new
    place.write(5)
    place.backup()
    looked = follow(place.store, two, LOCK)
    assert looked.new
    assert looked.reused > 9000, "the same files are not fetched again"
    assert n_of(two) == b"5"
    with pytest.raises(UsageError, match="is not live"):
        Home(two).ensure()
    place.write(6)
    place.backup()
    done = promote(place.store, two, LOCK)
    assert (done.epoch, n_of(two)) == (2, b"6"), "it caught up first"
    Home(two).ensure()
    with pytest.raises(Refused, match="no longer the live one"):
        place.backup()
    with pytest.raises(UsageError, match="follows nothing"):
        promote(place.store, two, LOCK)
    with pytest.raises(UsageError, match="is a live home"):
        follow(place.store, two, LOCK)
    with State.open(two / "state.db") as state:
        taken = backup(two, state, SigningKey.load(two / "keys" / "seal.key"), place.store, LOCK)
    assert taken.epoch == 2
    assert newest_head(place.store).snapshot == taken.snapshot


def test_a_backup_under_way_when_another_home_is_promoted_does_not_count(place: Place, tmp_path: Path) -> None:
    """Even one that had looked at the epoch before, and writes its head after."""
    place.backup()
    follow(place.store, tmp_path / "two", LOCK)
    old = newest_head(place.store)
    promoted = promote(place.store, tmp_path / "two", LOCK)
    place.store.put(head_name(1), msgspec.json.encode(Head("late", 1, "0" * 64, 9.0)))
    assert newest_head(place.store) == old
    assert promoted.snapshot == old.snapshot


def test_of_two_homes_that_follow_one_is_promoted(place: Place, tmp_path: Path) -> None:
    place.backup()
    for name in ("two", "three"):
        follow(place.store, tmp_path / name, LOCK)
    promote(place.store, tmp_path / "two", LOCK)
    with pytest.raises(Refused, match="another home took over"):
        promote(place.store, tmp_path / "three", LOCK)
    assert (tmp_path / "three" / "following.json").exists()


def test_the_keys_in_a_backup_belong_to_it(place: Place) -> None:
    with pytest.raises(Refused):
        LOCK.open(LOCK.lock(b"keys", "one"), "two")
    assert LOCK.open(LOCK.lock(b"keys", "one"), "one") == b"keys"
    with pytest.raises(FormatUnknown):
        LOCK.open(b"\x00", "one")
    assert isinstance(msgspec.json.decode(msgspec.json.encode(Snapshot("i", 0.0, 1, "o", "v", (), "", "s"))), dict)


KILLED = """
import sys
from pathlib import Path
from fairlead.ops.keep import KeyLock, backup, follow
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey
what, root, address = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
store, lock = store_of(address), KeyLock("correct horse battery")
print("on", flush=True)
if what == "backup":
    with State.open(root / "state.db") as state:
        backup(root, state, SigningKey.load(root / "keys" / "seal.key"), store, lock)
else:
    follow(store, root, lock)
print("done", flush=True)
"""


def killed(what: str, root: Path, address: str, after_s: float) -> bool:
    """Start it, kill it so long after its beginning; whether it was done before."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, what, str(root), address], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    killer = threading.Timer(after_s, process.kill)
    killer.start()
    said = process.stdout.read()
    process.wait()
    killer.cancel()
    return b"done" in said


@pytest.mark.parametrize("rounds", [1, pytest.param(25, marks=pytest.mark.long)])
def test_a_backup_killed_at_any_moment_leaves_the_one_before_whole(place: Place, tmp_path: Path, rounds: int) -> None:
    place.backup()
    dice, cut = random.Random(rounds), 0
    for n in range(1, rounds + 1):
        before = newest_head(place.store).snapshot
        place.write(n)
        done = killed("backup", place.root, place.address, dice.random() * 0.35)
        cut += not done
        found = restore(place.store, tmp_path / f"back{n}", LOCK)
        assert found.snapshot != before if done else n_of(tmp_path / f"back{n}") is not None
    place.backup()
    assert rounds == 1 or cut >= 3
    assert n_of(place.root) == str(rounds).encode()


@pytest.mark.long
def test_a_home_that_follows_killed_at_any_moment_is_whole_and_goes_on(place: Place, tmp_path: Path) -> None:
    two, dice, cut = tmp_path / "two", random.Random(3), 0
    place.backup()
    for n in range(1, 20):
        place.write(n)
        place.backup()
        cut += not killed("follow", two, place.address, dice.random() * 0.35)
        follow(place.store, two, LOCK)
        assert n_of(two) == str(n).encode()
    assert cut >= 3


def test_a_backup_while_the_home_is_written_to_holds_together(place: Place, tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        n = 0
        while not over.is_set():
            n += 1
            place.write(n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually(lambda: int(place.state.get("n") or b"0") > 3)
        place.backup()
    finally:
        over.set()
        writer.join()
    assert restore(place.store, tmp_path / "back", LOCK).events > 3
