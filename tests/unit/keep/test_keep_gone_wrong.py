"""Backups where something goes wrong at the worst moment: kills, homes that wake late, damage, odd places."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import eventually
from tests.unit.keep.test_keep import LOCK, Place, n_of, place

from fairlead.contract.errors import FairleadError, FormatUnknown, Refused, UsageError
from fairlead.contract.stores import walk
from fairlead.ops.keep import KeyLock, backup, follow, promote, restore, verify_backup
from fairlead.ops.keep.epochs import newest_head
from fairlead.ops.keep.locking import Locked
from fairlead.ops.keep.snapshot import snapshot_name
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.runtime.bundle import SigningKey

__all__ = ["place"]


class Meanwhile:
    """A store that lets something happen right after an object was put whose name begins so."""

    def __init__(self, store: Any, name: str, what: Any) -> None:
        self._store, self._name, self._what = store, name, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, name: str, what: Any, **how: Any) -> Any:
        done = self._store.put(name, what, **how)
        if name.startswith(self._name) and self._what is not None:
            what, self._what = self._what, None
            what()
        return done


def own_backup(root: Path, store: Any, keep: int = 0) -> Any:
    with State.open(root / "state.db") as state:
        return backup(root, state, SigningKey.load(root / "keys" / "seal.key"), store, LOCK, keep=keep)


def test_a_home_that_was_frozen_before_it_pruned_takes_nothing_from_the_one_that_took_over(
    place: Place, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    place.backup()
    follow(place.store, two, LOCK)

    def taken_over() -> None:
        promote(place.store, two, LOCK)
        own_backup(two, place.store)

    place.write(1)
    frozen = Meanwhile(place.store, "heads/", taken_over)
    with pytest.raises(Refused, match="took over"):
        backup(place.root, place.state, place.key, frozen, LOCK, keep=1)
    head = newest_head(place.store)
    assert head.epoch == 2
    assert restore(place.store, tmp_path / "back", LOCK, head=head).epoch == 2


def test_a_home_goes_on_where_the_snapshot_that_it_began_with_is_gone(place: Place, tmp_path: Path) -> None:
    """Removed by the home before, in the moment when this one was promoted."""
    two = tmp_path / "two"
    place.backup()
    follow(place.store, two, LOCK)
    promote(place.store, two, LOCK)
    base = newest_head(place.store)
    place.store.delete(snapshot_name(base.epoch, base.snapshot))
    assert own_backup(two, place.store).epoch == 2
    assert restore(place.store, tmp_path / "back", LOCK).epoch == 2


def test_a_home_that_was_killed_between_two_renames_is_promoted_all_the_same(place: Place, tmp_path: Path) -> None:
    """When the first home is gone there is no other call that would have put it right before."""
    two = tmp_path / "two"
    place.backup()
    follow(place.store, two, LOCK)
    os.rename(two, tmp_path / ".two.last")
    assert promote(place.store, two, LOCK).epoch == 2
    Home(two).ensure()
    assert n_of(two) == b"0"
    assert not (tmp_path / ".two.last").exists()


def test_keys_do_not_stay_open_where_a_verification_was_killed(place: Place) -> None:
    left = place.home.run / ".verified-abc" / ".home.restoring" / "keys"
    left.mkdir(parents=True)
    (left / "seal.key").write_text("5e" * 32)
    place.backup()
    verify_backup(place.store, LOCK, place.home.run)
    assert not list(place.home.run.glob(".verified-*"))


def test_a_home_is_not_backed_up_into_itself(place: Place) -> None:
    from fairlead.ops.stores import store_of

    (place.root.parent / "link").symlink_to(place.root)
    for inside in (place.root / "backups", place.root, place.root.parent / "link" / "backups"):
        with pytest.raises(UsageError, match="outside of the home"):
            backup(place.root, place.state, place.key, store_of(str(inside)), LOCK)
    assert not (place.root / "backups").exists()


def test_what_changes_within_one_tick_of_the_clock_is_backed_up(place: Place, tmp_path: Path) -> None:
    """Same file, same size, same time: as it was read in the very tick in which it was written again."""
    file = place.root / "note.txt"
    file.write_text("one")
    tick = time.time_ns() - 1_500_000_000
    os.utime(file, ns=(tick, tick))
    place.backup()
    with file.open("r+") as again:
        again.write("two")
    os.utime(file, ns=(tick, tick))
    eventually(lambda: time.time_ns() - tick > 2_100_000_000)
    place.backup()
    restore(place.store, tmp_path / "back", LOCK)
    assert (tmp_path / "back" / "note.txt").read_text() == "two"


def test_keys_of_another_try_do_not_come_with_a_backup_without_them(place: Place, tmp_path: Path) -> None:
    left = tmp_path / ".back.restoring" / "keys"
    left.mkdir(parents=True)
    (left / "seal.key").write_text("5e" * 32)
    backup(place.root, place.state, place.key, place.store, None)
    assert not restore(place.store, tmp_path / "back", KeyLock()).keys
    assert not list((tmp_path / "back" / "keys").iterdir())


IDENTITY = X25519PrivateKey.from_private_bytes(b"\7" * 32)
OPENERS = (KeyLock("correct horse battery"), KeyLock("", None, IDENTITY))
LOCKED = st.builds(
    Locked, st.sampled_from(["passphrase", "x25519", "rot13"]),
    st.one_of(st.binary(max_size=40), st.just(bytes(32))), st.binary(max_size=20), st.binary(max_size=60),
    st.sampled_from([1, 2]),
)  # fmt: skip


@settings(max_examples=30)  # each guess of a passphrase costs a tenth of a second
@given(st.one_of(st.binary(max_size=80), LOCKED.map(msgspec.msgpack.encode)), st.sampled_from(OPENERS))
def test_whatever_stands_in_the_place_of_keys_is_refused_in_words(locked: bytes, opener: KeyLock) -> None:
    with pytest.raises(FairleadError):
        opener.open(locked, "s")


def test_keys_in_a_form_of_later_are_not_tried(place: Place) -> None:
    later = msgspec.msgpack.encode(
        msgspec.structs.replace(msgspec.msgpack.decode(LOCK.lock(b"k", "s"), type=Locked), format=2)
    )
    with pytest.raises(FormatUnknown, match="newer"):
        LOCK.open(later, "s")


@given(st.binary(max_size=200), st.text(max_size=20))
def test_a_lock_gives_back_what_went_in(plain: bytes, about: str) -> None:
    for_it = KeyLock("", IDENTITY.public_key(), IDENTITY)
    locked = for_it.lock(plain, about)
    assert plain not in locked or len(plain) < 4
    assert for_it.open(locked, about) == plain
    pem = IDENTITY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert pem not in locked


def test_only_the_newest_are_kept_and_what_they_need(place: Place, tmp_path: Path) -> None:
    for n in range(1, 4):
        place.write(n)
        place.backup(keep=2)
    assert len(list(walk(place.store, "snapshots/"))) == 2
    assert restore(place.store, tmp_path / "back", LOCK).signer == place.key.public
    assert n_of(tmp_path / "back") == b"3"


def test_a_home_that_follows_takes_nothing_that_another_key_signed(place: Place, tmp_path: Path) -> None:
    """Keys that are locked for a public key can be locked by anybody who may write to the store."""
    identity = X25519PrivateKey.generate()
    ours, theirs = KeyLock("", identity.public_key()), KeyLock("", None, identity)
    two = tmp_path / "two"
    backup(place.root, place.state, place.key, place.store, ours)
    follow(place.store, two, theirs)
    stranger = Place(tmp_path / "stranger")
    try:
        backup(stranger.root, stranger.state, stranger.key, stranger.store, KeyLock("", identity.public_key()))
        for kind in ("objects/", "snapshots/", "heads/"):
            for one in walk(stranger.store, kind):
                place.store.put(one.name, stranger.store.read(one.name))
    finally:
        stranger.state.close()
    with pytest.raises(Refused, match="not trusted here"):
        follow(place.store, two, theirs)
    assert SigningKey.load(two / "keys" / "seal.key").public == place.key.public
