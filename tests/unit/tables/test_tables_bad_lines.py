"""Lines that cannot be read: told by their numbers, or kept apart whole, never dropped in silence."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables import open_table
from fairlead.lab.tables.reading import notes_of


def kept(table) -> list[dict]:
    return [json.loads(line) for line in Path(table.set_aside.file).read_text().splitlines()]


def cells(table) -> dict:
    return {name: [c for b in table.batches() for c in b.column(name).to_pylist()] for name in table.columns}


RAGGED = b'a,b\n1,2\n3\n"4\nfour",5\n"six\nand",7,8\n9,\xff\n\n10,11\n12,13,14,15'


def test_all_of_them_are_told_with_their_lines(tmp_path):
    (tmp_path / "t.csv").write_bytes(RAGGED)
    with pytest.raises(SourceUnreadable) as caught:
        open_table(tmp_path / "t.csv").rows  # noqa: B018
    said = str(caught.value)
    for part in (
        "line 3: 1 cells",
        "line 6: 3 cells",
        "line 8: bytes that are not utf-8",
        "and 1 more line",
        "set_aside",
    ):
        assert part in said


def test_set_aside_they_are_kept_whole_and_counted(tmp_path):
    (tmp_path / "t.csv").write_bytes(RAGGED)
    table = open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path / "home")
    assert cells(table) == {"a": ["1", "4\nfour", "10"], "b": ["2", "5", "11"]}
    assert table.set_aside.lines == 5
    assert [(bad.line, bad.why.split(".")[0]) for bad in table.set_aside.told] == [
        (3, "1 cells where the header has 2"), (6, "3 cells where the header has 2"),
        (8, "bytes that are not utf-8"), (11, "4 cells where the header has 2"),
    ]  # fmt: skip
    assert [entry["text"] for entry in kept(table)] == ["3", '"six\nand",7,8', "9,\\xff", "12,13,14,15"]
    assert Path(table.set_aside.file).parent == tmp_path / "home" / "tables" / "set-aside"
    assert Path(table.set_aside.file).stat().st_mode & 0o077 == 0
    assert "5 lines could not be read and were set aside" in notes_of(table, "t.csv")[0]


def test_reading_again_keeps_the_same_lines_once(tmp_path):
    (tmp_path / "t.csv").write_bytes(RAGGED)
    for _ in range(2):
        table = open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path)
        assert table.rows == 3
    assert len(list((tmp_path / "tables" / "set-aside").iterdir())) == 0 or table.set_aside.file
    assert [p.name for p in (tmp_path / "tables" / "set-aside").iterdir()] == [Path(table.set_aside.file).name]


def test_a_sound_table_sets_nothing_aside(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    table = open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path)
    assert (table.rows, table.set_aside.lines, table.set_aside.file) == (1, 0, "")
    assert not (tmp_path / "tables").exists()


def test_a_quote_that_is_not_closed_takes_one_line_and_not_the_rest(tmp_path):
    lines = ["a,b", '1,"lost', *(f"{i},x" for i in range(2, 40))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    table = open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path)
    assert table.rows == 38
    assert [(bad.line, bad.why) for bad in table.set_aside.told] == [(2, "a quote that is not closed")]


def test_a_quote_that_swallows_more_than_a_cell_can_hold(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + '1,"lost\n' + "".join(f"{i},{'x' * 100}\n" for i in range(3000)))
    table = open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path)
    assert (table.rows, table.set_aside.lines) == (3000, 1)


def test_without_a_place_to_keep_them_nothing_is_set_aside(tmp_path):
    (tmp_path / "t.csv").write_bytes(RAGGED)
    with pytest.raises(UsageError, match="needs a home"):
        open_table(tmp_path / "t.csv", bad_lines="set_aside")


def test_a_header_that_cannot_be_read_is_not_set_aside(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,\xff\n1,2\n3\n")
    with pytest.raises(SourceUnreadable, match=r"line 1: .*the header"):
        open_table(tmp_path / "t.csv", bad_lines="set_aside", home=tmp_path).rows  # noqa: B018
    assert not list((tmp_path / "tables").rglob("*.jsonl"))


def test_wide_encodings_end_where_they_cannot_be_decoded(tmp_path):
    data = "a,b\n1,2\n3\n4,5\n".encode("utf-16")
    (tmp_path / "t.csv").write_bytes(data)
    table = open_table(tmp_path / "t.csv", encoding="utf-16", bad_lines="set_aside", home=tmp_path)
    assert (table.rows, [bad.line for bad in table.set_aside.told]) == (2, [3])
    (tmp_path / "t.csv").write_bytes(data + b"\x00\xd8\x00\xd8" + data[2:])
    with pytest.raises(SourceUnreadable, match="line"):
        open_table(tmp_path / "t.csv", encoding="utf-16", bad_lines="set_aside", home=tmp_path).rows  # noqa: B018


def test_other_encodings_are_kept_in_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes("a;b\né;1\nü\nß;2\n".encode("cp1252"))
    table = open_table(tmp_path / "t.csv", encoding="cp1252", bad_lines="set_aside", home=tmp_path)
    assert cells(table) == {"a": ["é", "ß"], "b": ["1", "2"]}


def test_json_lines_are_set_aside_alike(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(b'{"a": 1}\nno\n{"a": {"b": 1}}\n{"a": 2}\n\xff\n')
    table = open_table(tmp_path / "t.jsonl", bad_lines="set_aside", home=tmp_path)
    assert cells(table) == {"a": [1, 2]}
    assert table.set_aside.lines == 3
    assert [(entry["line"], entry["text"]) for entry in kept(table)] == [(2, "no"), (3, '{"a":{"b":1}}'), (5, "\\xff")]


plain = st.text("abc1 é", max_size=4)


@settings(max_examples=80)
@given(st.lists(st.lists(plain, min_size=1, max_size=5), min_size=1, max_size=25))
def test_every_row_is_either_read_or_kept(tmp_path_factory, rows):
    """Rows of any width: those of the header's width come back in order, all others are counted."""
    folder = tmp_path_factory.mktemp("bad")
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["p", "q"], *rows])
    (folder / "t.csv").write_bytes(out.getvalue().encode())
    table = open_table(folder / "t.csv", separator=",", bad_lines="set_aside", home=folder)
    good = [row for row in rows if len(row) == 2]
    found = cells(table)
    assert list(zip(found["p"], found["q"], strict=True)) == [tuple(row) for row in good]
    assert table.set_aside.lines == len(rows) - len(good)


@settings(max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=60).map(lambda b: b"a,b\n" + b),
        st.text('ab1,\n"\r', max_size=60).map(lambda t: b"a,b\n" + t.encode()),
    )
)
def test_any_lines_behind_a_header_are_read_or_kept(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    (folder / "t.csv").write_bytes(data)
    try:
        table = open_table(folder / "t.csv", separator=",", bad_lines="set_aside", home=folder)
        assert sum(batch.num_rows for batch in table.batches()) == table.rows
        assert bool(table.set_aside.lines) == bool(table.set_aside.file)
    except SourceUnreadable as error:
        assert str(error).startswith("t.csv")  # noqa: PT017
