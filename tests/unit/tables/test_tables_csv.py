"""CSV as it is found in the wild, and what is said of lines that cannot be read."""

import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables import open_table
from fairlead.lab.tables.csv_source import sniff_separator


def write(tmp_path, data, name="t.csv"):
    file = tmp_path / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def cells(table):
    return pa.Table.from_batches(list(table.batches())).to_pydict()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    file = write(tmp_path, separator.join("abc") + "\n" + f'1{separator}"x{separator}y"{separator}3\n')
    table = open_table(file)
    assert table.separator == separator
    assert cells(table) == {"a": ["1"], "b": [f"x{separator}y"], "c": ["3"]}


def test_one_column_needs_no_separator(tmp_path):
    assert cells(open_table(write(tmp_path, "a\n1\n2\n"))) == {"a": ["1", "2"]}
    assert cells(open_table(write(tmp_path, "a\n1,5\n"), decimal=",")) == {"a": ["1.5"]}


def test_a_decimal_comma_becomes_a_point_in_numbers_alone(tmp_path):
    table = open_table(write(tmp_path, 'a;b\n1,5;"x, y"\n-0,25;"1,5 kg"\n'), decimal=",")
    assert cells(table) == {"a": ["1.5", "-0.25"], "b": ["x, y", "1,5 kg"]}
    assert table.frame()["a"].tolist() == [1.5, -0.25]


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("utf-8", "a,b\né,1\n".encode()),
        ("utf-8", b"\xef\xbb\xbf" + "a,b\né,1\n".encode()),
        ("latin-1", "a,b\né,1\n".encode("latin-1")),
        ("cp1252", "a,b\né,1\n".encode("cp1252")),
        ("utf-16", "a,b\né,1\n".encode("utf-16")),
    ],
)
def test_encodings(tmp_path, encoding, data):
    assert cells(open_table(write(tmp_path, data), encoding=encoding)) == {"a": ["é"], "b": ["1"]}


def test_quotes_line_ends_blank_lines_and_compression(tmp_path):
    text = 'a,b\r\n"say ""hi""","two\nlines"\r\n\r\n ,last\r\n'
    expected = {"a": ['say "hi"', " "], "b": ["two\nlines", "last"]}
    assert cells(open_table(write(tmp_path, text))) == expected
    assert cells(open_table(write(tmp_path, gzip.compress(text.encode()), "t.csv.gz"))) == expected


def test_a_nameless_index_column_gets_a_name(tmp_path):
    assert open_table(write(tmp_path, ",a\n0,x\n1,y\n")).columns == ("unnamed_0", "a")


@pytest.mark.parametrize(
    ("data", "options", "part"),
    [
        (b"a,b\n1,2\n1,2,3\n", {}, "line 3: 3 cells where the header has 2"),
        (b'a,b\n"x\ny",2\n1\n', {}, "line 4: 1 cells where the header has 2"),
        (b"a,b\n1,2\nsecret,\xff\n", {}, "line 3: bytes that are not utf-8"),
        (b"a,b\n1,2\n1,\x81\n", {"encoding": "cp1252"}, "line 3: bytes that are not cp1252"),
        (b'a,b\n1,2\n3,"secret\n4,5\n6,7\n', {}, "line 3: a quote that is not closed"),
        (b"", {}, "the file is empty"),
        (b"  \n", {}, "the file is empty"),
        (b"a,a\n1,2\n", {}, "given twice: a"),
        (b"a,b\n1,2\n", {"encoding": "utf-9"}, "unknown encoding"),
        (b"a,b\n1,2\n", {"separator": ",", "decimal": ","}, "both ','"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line_and_without_its_cells(tmp_path, data, options, part):
    with pytest.raises(SourceUnreadable) as caught:
        cells(open_table(write(tmp_path, data), **options))
    assert part in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_ragged_line_far_behind_is_found_while_streaming(tmp_path):
    lines = ["a,b", *(f"{i},{'x' * 60}" for i in range(80_000)), "1,2,3"]
    table = open_table(write(tmp_path, "\n".join(lines) + "\n"))
    batches = table.batches(1000)
    assert next(batches).num_rows == 1000
    with pytest.raises(SourceUnreadable, match="line 80002: 3 cells"):
        list(batches)


def test_a_column_whose_later_rows_differ_is_read_all_the_same(tmp_path):
    lines = ["a", *(str(i) for i in range(100_000)), "word"]
    table = open_table(write(tmp_path, "\n".join(lines)))
    assert table.rows == 100_001


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8), min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([",", ";", "|"]),
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory, rows, separator):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["p", "q"], *rows])
    file = write(tmp_path_factory.mktemp("csv"), out.getvalue())
    found = cells(open_table(file, separator=separator))
    assert list(zip(found["p"], found["q"], strict=True)) == [tuple(r) for r in rows]


def test_the_sniffer_prefers_even_rows_over_many_commas():
    assert sniff_separator("name;note\nx;a, b, c\ny;d\nz;e, f\n") == ";"


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text("ab1,;\"'\n\r\t\x00é -.", max_size=60).map(str.encode),
        st.text('ab1,\n"', max_size=40).map(lambda t: b"a,b\n" + t.encode()),
    )
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("any"), data)
    try:
        table = open_table(file)
        assert table.frame().shape == (table.rows, len(table.columns))
    except SourceUnreadable as error:
        assert str(error).startswith(("t.csv", "the table has no rows"))  # noqa: PT017


def test_rows_longer_than_a_block_are_read_wherever_they_stand_and_no_row_comes_twice(tmp_path):
    path = tmp_path / "long.csv"
    numbers = [str(n) for n in range(250_000)]
    texts = ["a"] * 200_000 + ["x" * 2_000_000] + ["b"] * 49_999
    path.write_text("n,t\n" + "".join(f"{n},{t}\n" for n, t in zip(numbers, texts, strict=True)))
    batches = list(open_table(path).batches(1_000_000))
    assert [n for batch in batches for n in batch.column("n").to_pylist()] == numbers
    assert max(batch.column("t").nbytes for batch in batches) > 2_000_000
