"""What lies in a store of backups and in a home: read back as it was written, anything else refused in our words."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import FairleadError, ObjectNotFound, Refused, StateError
from fairlead.contract.stores import Stored, check_name
from fairlead.ops.keep.bringing import _safe
from fairlead.ops.keep.epochs import FILE, Claim, Following, Own, newest_head, own
from fairlead.ops.keep.following import following
from fairlead.ops.keep.snapshot import (
    Head,
    Kept,
    Snapshot,
    decoded,
    head_name,
    object_name,
    read_snapshot,
    snapshot_name,
    write_snapshot,
)
from fairlead.ops.project.home import FOLLOWING
from fairlead.runtime.bundle import SigningKey

KEY = SigningKey(b"k" * 32)
HASHES = st.binary(max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())
PLAIN = st.text("abc/.-_ \u00e9", min_size=1, max_size=12)
EPOCHS = st.integers(1, 999_999)
TIMES = st.floats(0, 1e10)
KEPT = st.builds(
    Kept, PLAIN, st.integers(0, 1 << 40), st.integers(0, 0o777), PLAIN, st.lists(HASHES, max_size=3).map(tuple)
)
SNAPSHOTS = st.builds(
    Snapshot, st.text("0123456789abcdefTZ-", min_size=1, max_size=20), TIMES, EPOCHS, HASHES, PLAIN,
    st.lists(KEPT, max_size=3).map(tuple), st.one_of(st.just(""), HASHES), st.just(KEY.public),
)  # fmt: skip
HEADS = st.builds(Head, PLAIN, EPOCHS, HASHES, TIMES)
THINGS = st.one_of(
    HEADS, SNAPSHOTS, st.builds(Claim, EPOCHS, HASHES, TIMES, st.one_of(st.none(), HEADS)),
    st.builds(Own, HASHES, st.dictionaries(PLAIN, st.integers(-9, 9), max_size=3)),
    st.builds(Following, HASHES, PLAIN, HEADS),
)  # fmt: skip
KINDS: list[Any] = [Head, Snapshot, Claim, Own, Following]
BYTES = st.one_of(
    st.binary(max_size=60), st.sampled_from([b"[" * 5000, b'"\xff"', b'{"snapshot":"\xff","epoch":1}', b"null", b"{}"])
)


class Shelf:
    """Objects in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.address = "shelf"

    def put(self, name: str, what: bytes, **_how: Any) -> None:
        self.held[check_name(name)] = what

    def read(self, name: str, *, limit: int = 0, sha256: str = "") -> bytes:
        if name not in self.held:
            raise ObjectNotFound(name)
        assert not sha256 or hashlib.sha256(self.held[name]).hexdigest() == sha256
        return self.held[name]

    def list(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> tuple[Any, ...]:
        found = sorted(name for name in self.held if name.startswith(prefix) and name > after)
        return tuple(Stored(name, len(self.held[name])) for name in found[:limit])


@given(THINGS)
def test_what_is_written_is_read_back(thing: Any) -> None:
    assert decoded(msgspec.json.encode(thing), type(thing), "thing") == thing


@given(BYTES, st.sampled_from(KINDS))
def test_anything_else_is_said_to_be_something_else(raw: bytes, kind: Any) -> None:
    with pytest.raises(StateError):
        decoded(raw, kind, "thing")


@given(SNAPSHOTS)
def test_a_snapshot_is_read_by_its_head_and_by_no_other(snapshot: Snapshot) -> None:
    shelf: Any = Shelf()
    head = write_snapshot(shelf, snapshot, KEY)
    assert read_snapshot(shelf, head, (KEY.public,)) == snapshot
    with pytest.raises(Refused):
        read_snapshot(shelf, head, ("0" * 64,))
    other = Head(head.snapshot, head.epoch % 999_999 + 1, head.sha256, head.at)
    shelf.held[snapshot_name(other.epoch, other.snapshot)] = shelf.held[snapshot_name(head.epoch, head.snapshot)]
    with pytest.raises(Refused):
        read_snapshot(shelf, other, None)


@given(SNAPSHOTS, st.integers(0, 1 << 20), st.integers(1, 255))
def test_one_byte_that_is_another_is_one_too_many(snapshot: Snapshot, at: int, by: int) -> None:
    shelf: Any = Shelf()
    head = write_snapshot(shelf, snapshot, KEY)
    name = snapshot_name(head.epoch, head.snapshot)
    whole = bytearray(shelf.held[name])
    whole[at % len(whole)] ^= by
    shelf.held[name] = bytes(whole)
    with pytest.raises(FairleadError):
        read_snapshot(shelf, Head(head.snapshot, head.epoch, hashlib.sha256(whole).hexdigest(), 0.0), (KEY.public,))


@given(EPOCHS, EPOCHS)
def test_names_sort_as_their_epochs(one: int, two: int) -> None:
    assert (head_name(one) < head_name(two)) == (one < two)
    assert (snapshot_name(one, "x") < snapshot_name(two, "x")) == (one < two)
    assert check_name(object_name("ab" * 32)) == f"objects/ab/{'ab' * 32}"


@given(
    st.one_of(
        st.text(max_size=20),
        st.lists(st.sampled_from(["..", ".", "", "a", "keys", "b\\c", "\0"]), max_size=4).map("/".join),
    )
)
def test_a_path_that_is_taken_stays_in_the_home(path: str) -> None:
    root = Path("/home/of/somebody")
    try:
        found = root / _safe(path)
    except FairleadError:
        return
    assert Path(*found.parts) == found
    assert ".." not in found.parts
    assert found.is_relative_to(root)
    assert found != root


@given(BYTES)
def test_files_of_a_home_that_are_damaged_are_told_of(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "damaged"
    root.mkdir(exist_ok=True)
    for name, read in ((FILE, own), (FOLLOWING, following)):
        (root / name).write_bytes(raw)
        with pytest.raises(StateError):
            read(root)
        (root / name).unlink()


@given(BYTES)
def test_a_store_in_which_something_else_wrote_is_told_of(raw: bytes) -> None:
    shelf: Any = Shelf()
    shelf.put("epochs/000001.json", raw)
    with pytest.raises(StateError):
        newest_head(shelf)
    shelf.put("epochs/000001.json", msgspec.json.encode(Claim(1, "me", 0.0)))
    shelf.put(head_name(1), raw)
    with pytest.raises(StateError):
        newest_head(shelf)
