"""Labels as a stream: each once, in an order that can be left off anywhere, with the records that they are for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from test_joining import NOW, SCHEMA, home_with, label, record

from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.capture.label_stream import LabelStream, Position, identities, read_position


def told(labels: object) -> list[str]:
    return labels.column("label").to_pylist()  # type: ignore[attr-defined, no-any-return]


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), max_size=6), min_size=1, max_size=4), st.data()
)
def test_every_label_is_given_once_wherever_one_leaves_off(
    rounds: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    """rounds: what two workers write between two collections: whose, and by how many seconds its clock is off."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        spools = [Spool(home / "spool", name, "0", 1 << 30) for name in ("i", "j")]
        stream, position, number = LabelStream(home, "m"), Position(), 0
        wanted: list[list[str]] = [[], []]
        taken: list[str] = []
        for written in rounds:
            for who, off in written:
                wanted[who].append(f"{who}-{number}")
                one = label(f"{who}-{number}", request=f"r{number}", arrived=NOW + number + off)
                spools[who].append([one], [SCHEMA], Tally())
                number += 1
            collect(home)
            unread = stream.unread(position)
            part = unread.slice(0, data.draw(st.integers(0, unread.num_rows)))
            taken += told(part)
            # As it is written down and read again.
            position = read_position(msgspec.json.encode(position.after(part)).decode())
        for spool in spools:
            spool.close()
        collect(home)
        taken += told(stream.unread(position))
        assert sorted(taken) == sorted(wanted[0] + wanted[1])
        for who in (0, 1):
            assert [one for one in taken if one.startswith(f"{who}-")] == wanted[who]


def test_labels_of_several_workers_come_by_arrival(tmp_path: Path) -> None:
    home_with(tmp_path, label("b", request="r1", arrived=NOW + 2), label("d", request="r1", arrived=NOW + 4))
    spool = Spool(tmp_path / "spool", "j", "0", 1 << 30)
    for said, at in (("a", 1.0), ("c", 3.0), ("set back", 2.5)):
        spool.append([label(said, request="r1", arrived=NOW + at)], [SCHEMA], Tally())
    spool.close()
    collect(tmp_path)
    assert told(LabelStream(tmp_path, "m").unread(Position())) == ["a", "b", "c", "set back", "d"]


def test_which_records_labels_are_for_and_what_was_told_before(tmp_path: Path) -> None:
    home_with(
        tmp_path, record("r1", "k1", 100.0), record("r2", "k1", 200.0), record("r3", "k2", 100.0, rows=2),
        label("a", request="r3", row=1), label("b", key="k1", time=250.0), label("a", request="nobody"),
        label("b", key="k1", time=50.0), label("a", request="r1"), label("b", key="k2"),
    )  # fmt: skip
    stream = LabelStream(tmp_path, "m")
    labels = stream.unread(Position())
    first, rest = labels.slice(0, 4), labels.slice(4)
    found = stream.records_of(first)
    assert found.lost.tolist() == [False, False, True, True]
    rows = {(r["request"], r["row"]): r["label"] for r in found.records.to_pylist() if r["label"] is not None}
    assert rows == {("r3", 1): "a", ("r2", 0): "b"}
    again = stream.records_of(rest)
    assert not again.lost.any()
    before = stream.told_before(again, first)
    places = zip(again.records.to_pylist(), before, strict=True)
    said = {(r["request"], r["row"]): (r["label"], was) for r, was in places if r["label"] is not None}
    assert said == {("r1", 0): ("a", None), ("r3", 0): ("b", None), ("r3", 1): ("b", "a")}
    assert set(identities(again.others)) == set(identities(labels)) - {identities(labels)[2]}


def test_labels_that_wait_are_found_again_unless_erased(tmp_path: Path) -> None:
    home_with(tmp_path, label("a", request="r1"), label("b", request="r2"))
    stream = LabelStream(tmp_path, "m")
    wanted = identities(stream.unread(Position()))
    assert told(stream.picked([wanted[1]])) == ["b"]
    for path in (tmp_path / "labels").rglob("*.parquet"):
        path.unlink()
    assert stream.picked(wanted).num_rows == 0
