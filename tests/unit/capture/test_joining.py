"""Labels meet their records: by request, by key and time, in any order, twice, or never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.capture import Records, Spool, Tally, collect
from fairlead.runtime.wire import frames

SIGNATURE = Signature("classification", (Column("x", "number"),), classes=("a", "b"), key="id", time=("at",))
SCHEMA = frames.Schema("m", "b1", 1, SIGNATURE, [], ["id", "at"])
NOW = 1_600_000_000.0


def record(request: str, key: str | None = None, time: float | None = None, rows: int = 1) -> bytes:
    passes = [[key, time]] * rows
    return frames.encode(
        frames.Prediction(NOW, 0.1, request, None, "m", "b1", "champion", "native",
                          [[1.0]] * rows, passes, None, ["a"] * rows, [[0.5, 0.5]] * rows)
    )  # fmt: skip


def label(said: str | None, **about: Any) -> bytes:
    one = frames.Given(
        about.get("request"), about.get("row", 0), about.get("key"), about.get("time"), said,
        about.get("value"), about.get("comment"), "v1",
    )  # fmt: skip
    return frames.encode(frames.Label(about.get("arrived", NOW), "m", about.get("caller"), [one]))


def home_with(folder: Path, *encoded: bytes) -> Records:
    spool = Spool(folder / "spool", "i", "0", 1 << 30)
    for one in encoded:
        spool.append([one], [SCHEMA], Tally())
    spool.close()
    collect(folder)
    return Records(folder, "m")


def said(table: Any) -> dict[tuple[str, int], str | None]:
    columns = (table.column(name).to_pylist() for name in ("request", "row", "label"))
    return {(request, row): one for request, row, one in zip(*columns, strict=True)}


def test_by_request_and_row_before_or_after_the_record_and_never(tmp_path: Path) -> None:
    records = home_with(
        tmp_path, label("b", request="r1", row=1), record("r1", rows=3), record("r2"), label("a", request="r1", row=0)
    )
    assert said(records.joined(None, None)) == {("r1", 0): "a", ("r1", 1): "b", ("r1", 2): None, ("r2", 0): None}


def test_of_two_labels_the_last_counts_and_both_are_kept(tmp_path: Path) -> None:
    records = home_with(
        tmp_path, record("r1"), label("a", request="r1", arrived=NOW + 1),
        label("b", request="r1", arrived=NOW + 2, comment="checked", caller="c1"),
        label(None, request="r1", arrived=NOW + 3, value=2.5),
    )  # fmt: skip
    (row,) = records.joined(None, None).to_pylist()
    assert (row["label"], row["label.arrived"], row["comment"], row["value"]) == ("b", NOW + 2, "checked", 2.5)
    assert row["definition"] == "v1"
    assert row["label.caller"] == "c1"
    assert records.labels().num_rows == 3


def test_labels_kept_before_who_sent_them_was_are_read_beside_newer_ones(tmp_path: Path) -> None:
    records = home_with(tmp_path, record("r1"), label("a", request="r1", caller="c1"))
    (path,) = (tmp_path / "labels").rglob("*.parquet")
    older = pq.read_table(path).drop_columns(["caller"])
    assert Records(tmp_path, "m").labels().column("caller").to_pylist() == ["c1"]
    pq.write_table(older, path)
    assert Records(tmp_path, "m").labels().column("caller").to_pylist() == [None]
    assert records.joined(None, None).column("label.caller").to_pylist() == [None]


def test_by_key_alone_all_records_of_the_key(tmp_path: Path) -> None:
    records = home_with(tmp_path, record("r1", "k"), record("r2", "k"), record("r3", "other"), label("b", key="k"))
    assert said(records.joined(None, None)) == {("r1", 0): "b", ("r2", 0): "b", ("r3", 0): None}


def test_by_key_and_time_the_nearest_record_at_or_before(tmp_path: Path) -> None:
    records = home_with(
        tmp_path, *(record(f"r{time}", "k", float(time)) for time in (10, 20, 30)),
        label("a", key="k", time=5.0), label("a", key="k", time=20.0), label("b", key="k", time=29.9),
        label("b", key="k", time=99.0),
    )  # fmt: skip
    assert said(records.joined(None, None)) == {("r10", 0): None, ("r20", 0): "b", ("r30", 0): "b"}
    # In a window of its own, the record at 20 does not take the label that belongs to the one at 30.
    assert said(records.joined(15.0, 25.0)) == {("r20", 0): "b"}
    assert said(records.joined(10.0, 20.0)) == {("r10", 0): None}


def test_intervals_are_of_event_time_and_half_open(tmp_path: Path) -> None:
    records = home_with(tmp_path, *(record(f"r{time}", "k", float(time)) for time in (10, 20, 30)))
    assert sorted(records.between(10.0, 30.0).column("time").to_pylist()) == [10.0, 20.0]
    assert [part.num_rows for part in records.batches(None, None, rows=2)] == [2, 1]
    assert records.joined(40.0, 50.0).num_rows == 0
    assert "label" in records.joined(40.0, 50.0).schema.names


def test_files_that_come_and_go_while_it_reads_are_taken_as_found(tmp_path: Path) -> None:
    records = home_with(tmp_path, record("r1"))
    assert records.between(None, None).num_rows == 1
    home_with(tmp_path, record("r2"))
    assert records.between(None, None).num_rows == 2
    for path in tmp_path.glob("records/**/*.parquet"):
        path.unlink()
    assert records.between(None, None).num_rows == 0
    assert Records(tmp_path / "nowhere", "m").joined(None, None).num_rows == 0


def naive(rows: list[tuple[str, float]], labels: list[tuple[str, float, str]]) -> list[str | None]:
    """The rule, said slowly: each label to the nearest record of its key at or before it; the last one counts."""
    found: list[str | None] = [None] * len(rows)
    for key, time, text in labels:
        before = [at for of, at in rows if of == key and at <= time]
        for place, (of, at) in enumerate(rows):
            if before and of == key and at == max(before):
                found[place] = text
    return found


keys = st.sampled_from(["k", "l"])
times = st.integers(0, 8).map(float)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(keys, times), min_size=1, max_size=8),
    labels=st.lists(st.tuples(keys, times, st.sampled_from("ab")), max_size=8),
    cut=times,
)
def test_joining_by_windows_gives_what_joining_at_once_gives(tmp_path_factory, rows, labels, cut) -> None:
    folder = tmp_path_factory.mktemp("home")
    records = home_with(
        folder, *(record(f"r{at}", key, time) for at, (key, time) in enumerate(rows)),
        *(label(text, key=key, time=time) for key, time, text in labels),
    )  # fmt: skip
    expected = {(f"r{at}", 0): text for at, text in enumerate(naive(rows, labels))}
    assert said(records.joined(None, None)) == expected
    assert said(records.joined(None, cut)) | said(records.joined(cut, None)) == expected
