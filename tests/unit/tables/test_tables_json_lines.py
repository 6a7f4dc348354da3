"""JSON lines: records to columns of JSON's own types, and what is said of records that differ."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables import open_table


def write(folder: Path, data: str | bytes, name: str = "t.jsonl") -> Path:
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def types(table) -> dict[str, str]:
    return {field.name: str(field.type) for field in next(table.batches()).schema}


def cells(table) -> list[dict]:
    return [row for batch in table.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.jsonl.gz", "t.ndjson.gz"])
def test_types_are_those_of_json(tmp_path, name):
    text = (
        '{"i": 1, "f": 1.5, "b": true, "t": "x", "n": null, "m": 2}\n'
        '{"i": 2, "f": 2, "b": null, "t": "", "n": null, "m": 2.5}\n'
    )
    table = open_table(write(tmp_path, gzip.compress(text.encode()) if name.endswith(".gz") else text, name))
    assert types(table) == {"i": "int64", "f": "double", "b": "bool", "t": "string", "n": "null", "m": "double"}
    assert table.rows == 2
    assert table.notes == ()
    assert cells(table)[1] == {"i": 2, "f": 2.0, "b": None, "t": "", "n": None, "m": 2.5}
    assert table.frame()["i"].tolist() == [1, 2]


def test_blank_lines_a_mark_and_line_ends_are_no_rows(tmp_path):
    table = open_table(write(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}'))
    assert cells(table) == [{"a": 1}, {"a": 2}]


def test_records_with_differing_keys_are_described_by_line(tmp_path):
    table = open_table(write(tmp_path, '{"a": 1, "b": 2}\n{"b": 3}\n\n{"a": 4, "b": 5, "A": 6}\n'))
    assert cells(table)[1] == {"a": None, "b": 3, "A": None}
    assert table.notes == (
        "t.jsonl: 'a' is a key of 2 of 3 records; it is missing in the others",
        "t.jsonl: 'A' is a key of 1 of 3 records, first in line 4; it is missing in the others",
    )


def test_notes_are_bounded(tmp_path):
    record = {f"k{i}": 1 for i in range(50)}
    table = open_table(write(tmp_path, json.dumps(record) + "\n{}\n"))
    assert len(table.notes) == 11
    assert "40 more" in table.notes[-1]


def test_a_column_of_several_kinds_is_text_and_says_since_which_line(tmp_path):
    table = open_table(write(tmp_path, '{"a": 1}\n{"a": "x"}\n{"a": true}\n'))
    assert [row["a"] for row in cells(table)] == ["1", "x", "true"]
    assert "integer (line 1), text (line 2), boolean (line 3)" in table.notes[0]


def test_whole_numbers_beyond_64_bits_keep_their_digits(tmp_path):
    table = open_table(write(tmp_path, '{"id": 123456789012345678901234567890}\n{"id": 18446744073709551616}\n'))
    assert [row["id"] for row in cells(table)] == ["123456789012345678901234567890", "18446744073709551616"]


def test_lists_of_numbers_are_tensors(tmp_path):
    table = open_table(write(tmp_path, '{"x": [[1, 2], [3, 4.5]], "y": 1}\n{"x": [[0, 0], [0, 1]], "y": 0}\n'))
    column = table.schema.column("x")
    assert (column.kind, column.shape, column.high) == ("tensor", (2, 2), 4.5)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a": {"b": 1}}', "'a' holds an object"),
        (b'{"a": ["x"]}', "'a' holds a list; only lists of numbers"),
        (b'{"a": [1, [2]]}', "'a' holds a list"),
        (b"[1, 2]", "a list where an object is needed"),
        (b'"word"', "a text where an object is needed"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1', "not JSON: input data was truncated"),
        (b'{"a": "\xff"}', "bytes that are not UTF-8"),
        (b'{"a": "secret", }', "not JSON"),
    ],
)
def test_a_line_that_is_no_record_stops_with_its_number(tmp_path, line, why):
    file = write(tmp_path, b'{"a": 1}\n\n' + line + b'\n{"a": 2}\n')
    with pytest.raises(SourceUnreadable) as caught:
        open_table(file)
    assert f"t.jsonl: line 3: {why}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_every_bad_line_is_counted_and_the_first_are_told(tmp_path):
    file = write(tmp_path, '{"a": 1}\n' + "no\n" * 30)
    with pytest.raises(SourceUnreadable, match=r"line 2: .*line 11: .*and 20 more lines.*set_aside"):
        open_table(file)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b'[{"a": 1}]', "the file is a JSON array"),
        (b"{}", "no record has a key"),
    ],
)
def test_what_holds_no_record_is_refused(tmp_path, data, words):
    with pytest.raises(SourceUnreadable, match=words):
        open_table(write(tmp_path, data))


def test_another_encoding(tmp_path):
    file = write(tmp_path, '{"a": "é"}\n'.encode("latin-1"))
    assert cells(open_table(file, encoding="latin-1")) == [{"a": "é"}]
    with pytest.raises(SourceUnreadable, match="line 1: bytes that are not UTF-8"):
        open_table(file)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)


@settings(max_examples=80)
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={"a": st.integers(-100, 100), "b": st.text(), "c": st.booleans()}),
        min_size=1,
    ).filter(any)
)
def test_records_are_read_back_with_gaps_for_absent_keys(tmp_path_factory, records):
    file = write(tmp_path_factory.mktemp("j"), "\n".join(json.dumps(r) for r in records))
    table = open_table(file)
    assert table.rows == len(records)
    assert cells(table) == [{name: r.get(name) for name in table.columns} for r in records]


@settings(max_examples=80)
@given(st.lists(scalars, min_size=1, max_size=20))
def test_any_mixture_of_scalars_makes_a_column(tmp_path_factory, values):
    file = write(tmp_path_factory.mktemp("m"), b"\n".join(msgspec.json.encode({"v": v}) for v in values))
    found = [row["v"] for row in cells(open_table(file))]
    assert [v is None for v in found] == [v is None for v in values]
    if types(open_table(file))["v"] == "double":
        assert found == [None if v is None else float(v) for v in values]


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=80), st.text('{}[]":,ab1.\n -e', max_size=80).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("any"), data)
    try:
        table = open_table(file)
        assert sum(batch.num_rows for batch in table.batches()) == table.rows
    except SourceUnreadable as error:
        assert str(error).startswith("t.jsonl")  # noqa: PT017
