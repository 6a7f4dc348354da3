"""What readers keep between calls: bounded, true to the files, and no answer depends on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_joining import home_with, label, record, said

from fairlead.contract import records as names
from fairlead.runtime.capture import Records, reader
from fairlead.runtime.capture.joining import join
from fairlead.runtime.capture.remembered import Remembered, files
from fairlead.runtime.capture.tables import type_of


class Held:
    def __init__(self, path: Path) -> None:
        self.text = path.read_text()
        self.nbytes = 10_000


def test_it_stays_within_its_bytes_and_lets_go_of_what_was_used_longest_ago(tmp_path: Path) -> None:
    kept = Remembered(40_000)
    paths = [tmp_path / str(number) for number in range(10)]
    for path in paths:
        path.write_text(path.name)
    first = kept.get(paths[0], "x", Held)
    for path in paths[1:]:
        assert kept.get(path, "x", Held).text == path.name
        assert kept.get(paths[0], "x", Held) is first
        assert kept.bytes <= 40_000
    assert len(kept._entries) == 3
    assert Remembered(5).get(paths[0], "x", Held).text == "0"


def test_a_file_that_changed_is_read_again_and_one_that_went_is_missed(tmp_path: Path) -> None:
    kept = Remembered(1 << 20)
    path = tmp_path / "a"
    path.write_text("one")
    assert kept.get(path, "x", Held).text == "one"
    (tmp_path / "b").write_text("two")
    before = os.stat(path)
    os.utime(tmp_path / "b", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(tmp_path / "b", path)
    assert kept.get(path, "x", Held).text == "two"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        kept.get(path, "x", Held)
    assert (kept.bytes, len(kept._entries)) == (0, 0)


def test_joining_without_memory_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = home_with(tmp_path, *(record(f"r{n}", "k", float(n)) for n in range(4)), label("a", request="r1"),
                        label("b", key="k", time=2.5))  # fmt: skip
    with_memory = [said(records.joined(start, 3.0)) for start in (None, 1.0, 2.0)]
    monkeypatch.setattr(reader, "files", Remembered(0))
    assert [said(Records(tmp_path, "m").joined(start, 3.0)) for start in (None, 1.0, 2.0)] == with_memory
    assert with_memory[0] == {("r0", 0): None, ("r1", 0): "a", ("r2", 0): "b"}


def test_labels_of_other_requests_and_keys_stay_unread(tmp_path: Path) -> None:
    day = 86_400.0
    records = home_with(
        tmp_path, record("r5"), label("a", request="r4", arrived=1e9), label("b", request="r5", arrived=1e9 + day),
        label("a", request="r6", arrived=1e9 + 2 * day), label("a", key="k", arrived=1e9 + 3 * day),
    )  # fmt: skip
    assert said(records.joined(None, None)) == {("r5", 0): "b"}
    read = {path.parent.name for path, what in files._entries if what == "looked up" and tmp_path in path.parents}
    assert read == {"2001-09-10"}
    assert records.labels(1e9 + day, 1e9 + 3 * day).num_rows == 2
    assert records.labels(-1e30, 1e30).num_rows == 4


def labels_table(given: list[tuple[str | None, int, str | None, float | None, str | None, float | None]]) -> Any:
    columns: dict[str, list[Any]] = {name: [] for name in names.LABEL_META}
    for at, (request, row, key, time, text, value) in enumerate(given):
        for name, cell in (
            (names.SEGMENT, "s"), (names.OFFSET, at), (names.ITEM, 0), (names.ARRIVED, float(at)), (names.TIME, time),
            (names.REQUEST, request), (names.ROW, row), (names.KEY, key), (names.MODEL, "m"), (names.LABEL, text),
            (names.VALUE, value), (names.COMMENT, None), (names.DEFINITION, "v1"), (names.CALLER, None),
        ):  # fmt: skip
            columns[name].append(cell)
    return pa.table({name: pa.array(cells, type_of(name)) for name, cells in columns.items()})


def slowly(rows: list[tuple[str, int, str | None, float]], later: list[tuple[str | None, float]], given: Any) -> Any:
    """The rule, label by label: [(label, value)] a record."""
    found: list[list[Any]] = [[None, None] for _ in rows]
    for request, row, key, time, *told in given:
        if request is not None:
            meant = [at for at, one in enumerate(rows) if one[:2] == (request, row)]
        elif time is None:
            meant = [at for at, one in enumerate(rows) if key is not None and one[2] == key]
        else:
            moments = [one[3] for one in rows if key is not None and one[2] == key]
            moments += [at for of, at in later if of == key]
            before = [at for at in moments if at <= time]
            meant = [at for at, one in enumerate(rows) if before and one[2] == key and one[3] == max(before)]
        for at in meant:
            for place, one in enumerate(told):
                found[at][place] = one if one is not None else found[at][place]
    return [tuple(one) for one in found]


KEYS = st.sampled_from(["k", "l", "m", None])
TIMES = st.integers(0, 9).map(float)
ROWS = st.tuples(st.sampled_from(["r", "s", "r 1"]), st.integers(0, 2), KEYS, TIMES)
ABOUT = st.one_of(
    st.tuples(st.sampled_from(["r", "s", "r 1", "t"]), st.integers(0, 2), st.none(), st.none()),
    st.tuples(st.none(), st.just(0), st.sampled_from("klx"), st.one_of(st.none(), st.integers(0, 14).map(float))),
)
TOLD = st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.5, 2.5, None]))
LABELS = st.tuples(ABOUT, TOLD).map(lambda one: (*one[0], *one[1]))
LATER = st.tuples(KEYS, st.integers(10, 14).map(float))


@settings(max_examples=300, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=10), st.lists(LATER, max_size=5), st.lists(LABELS, max_size=10))
def test_labels_join_as_the_rule_says(rows: Any, later: Any, given: Any) -> None:
    table = pa.table(
        {
            names.REQUEST: pa.array([one[0] for one in rows], pa.string()),
            names.ROW: pa.array([one[1] for one in rows], pa.int32()),
            names.KEY: pa.array([one[2] for one in rows], pa.string()),
            names.TIME: pa.array([one[3] for one in rows], pa.float64()),
        }
    )

    def after(until: float, keys: Any) -> Any:
        wanted = set(keys.to_pylist())
        inside = [one for one in later if one[1] <= until and one[0] in wanted]
        return pa.table(
            {
                names.KEY: pa.array([one[0] for one in inside], pa.string()),
                names.TIME: pa.array([one[1] for one in inside], pa.float64()),
            }
        )

    joined = join(table, labels_table(given), 10.0, after)
    got = list(zip(joined.column(names.LABEL).to_pylist(), joined.column(names.VALUE).to_pylist(), strict=True))
    assert got == slowly(rows, later, given)
