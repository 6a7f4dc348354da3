"""Backups in every kind of store: brought back, followed, promoted, pruned, and closed to the home of before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports.test_port_store import PLACES, Place

from fairlead.contract.errors import ObjectNotFound, Refused, StoreFailed
from fairlead.contract.plugins import names
from fairlead.contract.stores import Store, walk
from fairlead.ops.audit import Audit
from fairlead.ops.keep import KeyLock, backup, follow, promote, restore, verify_backup
from fairlead.ops.keep.snapshot import PART_BYTES, object_name
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey

LOCK = KeyLock("correct horse battery")
DONE = "backup, restore, follow, promote, prune, fence"
SAID = {
    "file": ("backup to a folder", "run", f"a folder: {DONE}"),
    "s3": ("backup to Amazon S3", "emulated", f"moto's server: {DONE}"),
    "az": ("backup to Azure Blob", "emulated", f"Azurite: {DONE}"),
    "gs": ("backup to Google Cloud Storage", "emulated", f"gcp-storage-emulator: {DONE}"),
    "hdfs": ("backup to HDFS", "run", f"Hadoop 2.7.3, two DataNodes: {DONE}"),
}


def kept(kind: str) -> pytest.param:
    system, how, by = SAID[kind]
    marks = [pytest.mark.verified("keep", system, how=how, by=by)]
    return pytest.param(kind, marks=[*marks, pytest.mark.long] if kind != "file" else marks)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    kind = str(request.param)
    with pytest.MonkeyPatch.context() as patch, PLACES[kind](tmp_path_factory.mktemp(kind), patch) as found:
        yield found


def test_every_kind_of_store_is_tried_here() -> None:
    assert set(SAID) == set(names("store"))


@pytest.mark.parametrize("place", [kept(kind) for kind in SAID], indirect=True)
def test_all_that_a_home_does_with_its_backups(place: Place, tmp_path: Path) -> None:
    store = place.fresh()
    home = Home(tmp_path / "home").ensure()
    key, state = SigningKey.create(home.seal_key), State.open(home.state_db)
    rows = b"rows" * 3_000_000  # three parts
    (home.tables / "rows").write_bytes(rows)
    Audit(state, key=key, head=home.root / "audit.head").record("me", "write", "x", "1")
    first = backup(home.root, state, key, store, LOCK)
    assert first.parts > 3
    follow(store, tmp_path / "two", LOCK)
    state.put("n", b"2")
    second = backup(home.root, state, key, store, LOCK, keep=1)
    assert second.stored < 300_000
    assert [one.name.rsplit("/", 1)[1] for one in walk(store, "snapshots/")] == [f"{second.snapshot}.json"]
    assert verify_backup(store, LOCK, tmp_path).snapshot == second.snapshot
    back = restore(store, tmp_path / "back", LOCK)
    assert (back.events, back.keys) == (1, True)
    assert (tmp_path / "back" / "tables" / "rows").read_bytes() == rows
    assert promote(store, tmp_path / "two", LOCK).epoch == 2
    with State.open(tmp_path / "two" / "state.db") as other:
        assert other.get("n") == b"2"
    with pytest.raises(Refused, match="another home took over"):
        backup(home.root, state, key, store, LOCK)
    without_a_part(store, hashlib.sha256(rows[:PART_BYTES]).hexdigest(), tmp_path)
    state.close()
    store.close()


def without_a_part(store: Store, part: str, folder: Path) -> None:
    """A part that somebody took from the store is a backup that does not come back, and nothing of it does."""
    assert store.delete(object_name(part))
    with pytest.raises(ObjectNotFound, match="lacks a part of"):
        restore(store, folder / "half", LOCK)
    assert not (folder / "half").exists()


def test_a_store_that_is_away_leaves_the_backup_before(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    key, state = SigningKey.create(home.seal_key), State.open(home.state_db)
    Audit(state, key=key, head=home.root / "audit.head").record("me", "write", "x", "1")
    store = store_of(str(tmp_path / "store"))
    first = backup(home.root, state, key, store, LOCK)
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreFailed):
        backup(home.root, state, key, store, LOCK)
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    assert restore(store, tmp_path / "back", LOCK).snapshot == first.snapshot
    state.close()
