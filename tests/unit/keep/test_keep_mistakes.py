"""What operators do with homes and backups that nobody meant them to do."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.flow.test_doctor_stores import told, with_settings
from tests.unit.keep.test_keep import LOCK, Place, n_of, place

import fairlead
from fairlead.contract.errors import (
    BundleRefused,
    ObjectDamaged,
    ObjectNotFound,
    Refused,
    UsageError,
)
from fairlead.contract.stores import walk
from fairlead.doors.python.keeping import public_key
from fairlead.ops.keep import backup, follow, promote, restore
from fairlead.ops.keep.epochs import FILE, FOLLOWING, newest_head
from fairlead.ops.keep.examining import backed_up as examined
from fairlead.ops.keep.following import following
from fairlead.ops.keep.snapshot import head_name, head_of
from fairlead.ops.keep.staging import HELD, held_still
from fairlead.ops.keep.taking import let_go
from fairlead.ops.state import FileLock, State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey

__all__ = ["place"]


def backed_up(root: Path, address: str) -> Any:
    """A backup of the home at `root`, as a process of its own would make it."""
    with State.open(root / "state.db") as state:
        return backup(root, state, SigningKey.load(root / "keys" / "seal.key"), store_of(address), LOCK)


@pytest.mark.parametrize("first", ["copy", "original"])
def test_of_two_copies_of_a_home_one_goes_on_backing_up(place: Place, tmp_path: Path, first: str) -> None:
    place.backup()
    place.backup()
    twin = tmp_path / "twin"
    shutil.copytree(place.root, twin)
    one, other = (twin, place.root) if first == "copy" else (place.root, twin)
    newest = backed_up(one, place.address)
    with pytest.raises(Refused, match=f"{newest.snapshot}.*copy of this home"):
        backed_up(other, place.address)
    assert newest_head(place.store).snapshot == newest.snapshot
    assert backed_up(one, place.address).epoch == newest.epoch
    assert backed_up(other, str(tmp_path / "own place")).epoch == 1


def test_copies_of_a_home_that_was_brought_back_are_told_apart(place: Place, tmp_path: Path) -> None:
    place.backup()
    restore(place.store, tmp_path / "back", LOCK)
    shutil.copytree(tmp_path / "back", tmp_path / "twin")
    backed_up(tmp_path / "back", place.address)
    with pytest.raises(Refused, match="copy of this home"):
        backed_up(tmp_path / "twin", place.address)


def test_a_home_that_was_brought_back_takes_nothing_from_one_that_still_goes_on(place: Place, tmp_path: Path) -> None:
    place.backup()
    restore(place.store, tmp_path / "back", LOCK)
    newest = place.backup()
    with pytest.raises(Refused, match=f"{newest.snapshot}.*still backs up there.*fairlead restore"):
        backed_up(tmp_path / "back", place.address)
    after = place.backup()
    assert (after.epoch, newest_head(place.store).snapshot) == (1, after.snapshot)
    restore(place.store, tmp_path / "again", LOCK)
    assert backed_up(tmp_path / "again", place.address).epoch == 2
    with pytest.raises(Refused, match="took over"):
        place.backup()


def test_what_is_written_in_a_home_by_an_earlier_fairlead_holds(place: Place, tmp_path: Path) -> None:
    """Places by their address as it was spelled, and no snapshot known: as `keep.json` was before."""
    place.backup()
    restore(place.store, tmp_path / "back", LOCK)
    live, back = (msgspec.json.decode((root / FILE).read_bytes()) for root in (place.root, tmp_path / "back"))
    (place.root / FILE).write_bytes(msgspec.json.encode({"owner": live["owner"], "epochs": {place.address: 1}}))
    old = {"owner": back["owner"], "epochs": {place.address: -1}}
    (tmp_path / "back" / FILE).write_bytes(msgspec.json.encode(old))
    newest = place.backup()
    assert place.backup().epoch == 1
    follow(place.store, tmp_path / "second", LOCK)
    assert newest.snapshot < newest_head(place.store).snapshot
    assert backed_up(tmp_path / "back", place.address).epoch == 2
    with pytest.raises(Refused, match="took over"):
        place.backup()
    told = following(tmp_path / "second")
    assert told is not None
    head = tmp_path / "second" / FOLLOWING
    head.write_bytes(msgspec.json.encode(msgspec.structs.replace(told, address=place.address)))
    assert promote(place.store, tmp_path / "second", LOCK).epoch == 3
    assert backed_up(tmp_path / "second", place.address).epoch == 3


def test_a_place_may_be_spelled_in_several_ways(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.backup()
    (tmp_path / "deep").mkdir()
    os.symlink(place.address, tmp_path / "link")
    monkeypatch.chdir(tmp_path / "deep")
    restore(store_of("../store"), tmp_path / "back", LOCK)
    assert backed_up(tmp_path / "back", place.address).epoch == 2
    assert backed_up(tmp_path / "back", f"{tmp_path}/link/").epoch == 2
    with pytest.raises(Refused, match="took over"):
        backed_up(place.root, "../store")
    follow(store_of("../store"), tmp_path / "second", LOCK)
    assert not follow(store_of(f"{place.address}/"), tmp_path / "second", LOCK).new
    assert promote(store_of("../link"), tmp_path / "second", LOCK).epoch == 3


def test_a_clock_that_is_set_back_does_not_cost_the_newest_snapshot(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 7200.0)
    first = [place.backup(keep=2).snapshot for _ in range(3)]
    monkeypatch.setattr(time, "time", real)
    place.write(5)
    newest = place.backup(keep=2)
    names = [one.name.rsplit("/", 1)[1].removesuffix(".json") for one in walk(place.store, "snapshots/")]
    assert names == [first[-1], newest.snapshot]
    done = restore(place.store, tmp_path / "back", LOCK)
    assert (n_of(tmp_path / "back"), done.at) == (b"5", newest.at)


def test_a_first_restore_believes_the_signer_that_is_expected_alone(place: Place, tmp_path: Path) -> None:
    """Who knows the public key that keys are locked for and may write to the store can put a home of his own there."""
    ours = place.backup()
    stranger = Place(tmp_path / "stranger")
    stranger.backup()
    for sink in (restore, follow):
        with pytest.raises(BundleRefused, match=f"not trusted here. It must be signed by {ours.signer}"):
            sink(stranger.store, tmp_path / "back", LOCK, signer=ours.signer)
        assert [path.name for path in tmp_path.iterdir() if "back" in path.name] in ([], [".back.following.lock"])
    stranger.state.close()
    assert follow(place.store, tmp_path / "second", LOCK, signer=ours.signer).new
    place.backup()
    with pytest.raises(UsageError, match="another key than the one of this home"):
        follow(place.store, tmp_path / "second", LOCK, signer="ab" * 32)
    assert restore(place.store, tmp_path / "back", LOCK, signer=ours.signer).signer == ours.signer == place.key.public


def test_an_older_snapshot_comes_back_where_the_newest_is_damaged(place: Place, tmp_path: Path) -> None:
    older = place.backup()
    place.write(6)
    before = {one.name for one in walk(place.store, "objects/")}
    newest = place.backup()
    fresh = sorted({one.name for one in walk(place.store, "objects/")} - before)
    for name in fresh:
        (Path(place.address) / name).write_bytes(b"not what was put here")
    with pytest.raises(ObjectDamaged, match="Take an older snapshot"):
        restore(place.store, tmp_path / "back", LOCK)
    assert not (tmp_path / ".back.restoring" / "keys").exists(), "keys that were opened do not stay in the clear"
    with pytest.raises(ObjectNotFound, match=f"the newest are: {newest.snapshot}, {older.snapshot}"):
        head_of(place.store, "no such")
    done = restore(place.store, tmp_path / "back", LOCK, head=head_of(place.store, older.snapshot))
    assert (done.snapshot, n_of(tmp_path / "back")) == (older.snapshot, b"0")
    assert backed_up(tmp_path / "back", str(tmp_path / "new place")).epoch == 1


def test_an_older_snapshot_comes_back_where_what_leads_to_the_newest_is_damaged(place: Place, tmp_path: Path) -> None:
    older = place.backup()
    place.write(6)
    place.backup()
    (Path(place.address) / head_name(1)).write_bytes(b"not what was put here")
    with pytest.raises(ObjectDamaged, match="Take an older snapshot"):
        restore(place.store, tmp_path / "back", LOCK)
    done = restore(place.store, tmp_path / "back", LOCK, head=head_of(place.store, older.snapshot))
    assert (done.snapshot, n_of(tmp_path / "back")) == (older.snapshot, b"0")
    assert backed_up(tmp_path / "back", str(tmp_path / "new place")).epoch == 1


def test_a_home_of_an_older_snapshot_goes_on_backing_up(place: Place, tmp_path: Path) -> None:
    older = place.backup()
    place.write(6)
    newest = place.backup()
    restore(place.store, tmp_path / "back", LOCK, head=head_of(place.store, older.snapshot))
    done = backed_up(tmp_path / "back", place.address)
    assert (done.epoch, done.snapshot > newest.snapshot) == (2, True)
    restore(place.store, tmp_path / "again", LOCK)
    assert n_of(tmp_path / "again") == b"0"


def test_what_killed_backups_left_in_the_home_goes_when_somebody_is_forgotten(place: Place) -> None:
    """Links to files of records outlive the files; a verification has the keys in it."""
    run = place.home.run
    with held_still(place.root, place.state) as still:
        assert any(path.is_file() for path in still.folder.rglob("*.parquet"))
        shutil.copytree(still.folder, run / "by nobody")
    os.rename(run / "by nobody", run / HELD)
    (run / ".verified-x" / "home" / "keys").mkdir(parents=True)
    with FileLock(run / "backup.lock"), FileLock(run / "verify.lock"):
        assert let_go(place.root) == 0, "one that lives keeps what it holds"
    assert (run / HELD).exists()
    assert let_go(place.root) == 2
    assert sorted(path.name for path in run.iterdir()) == ["backup.lock", "collect.lock", "verify.lock"]
    assert let_go(place.root) == 0


def test_forget_and_doctor_see_what_killed_backups_and_restores_left(tmp_path: Path) -> None:
    ws = with_settings(tmp_path, "")
    (ws.home.run / HELD / "records").mkdir(parents=True)
    fairlead.open(tmp_path).forget("somebody")
    assert not (ws.home.run / HELD).exists()
    assert "restore" not in told(examined(ws))
    ws.home.root.with_name(f".{ws.home.root.name}.restoring").mkdir()
    verdict, why = told(examined(ws))["restore"]
    assert (verdict, "holds keys: remove it" in why) == ("fail", True)


@pytest.mark.parametrize("given", ["as hex", "in capitals", "in a file"])
def test_a_signer_is_given_as_hex_or_as_a_file(tmp_path: Path, given: str) -> None:
    key = "0a" * 32
    (tmp_path / "theirs.pub").write_text(key + "\n")
    text = {"as hex": key, "in capitals": key.upper(), "in a file": str(tmp_path / "theirs.pub")}[given]
    assert public_key(text) == key
    assert public_key("") == ""


@pytest.mark.parametrize("text", ["0a", "no such file", "/dev/null", "g" * 64, "/"])
def test_what_names_no_signer_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match="64 hex characters that `fairlead backup` names"):
        public_key(text)
