"""Arrow in and out of the native protocol: types, times, dictionaries, bodies that stand for more than they hold."""

from __future__ import annotations

import builtins
import datetime
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import BodyInvalid, InputInvalid, MediaUnsupported
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.arrow_tables import MEDIA
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.native import Native

SIGNATURE = Signature(
    "classification",
    (Column("x", "number"), Column("n", "integer"), Column("c", "category"), Column("t", "time")),
    classes=("no", "yes"),
    key="id",
    timezone="Europe/Berlin",
)
HEADERS = {"content-type": MEDIA}


def codec(signature: Signature = SIGNATURE) -> Native:
    return Native("m", signature, Checks(signature))


def stream(table: Any, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write(table)
    return bytes(sink.getvalue())


def table(rows: int = 2, **more: Any) -> Any:
    columns = {
        "x": pa.array([1.5] * rows), "n": pa.array([3] * rows), "c": pa.array(["a"] * rows),
        "t": pa.array(["2020-07-01"] * rows), **more,
    }  # fmt: skip
    return pa.table(columns)


SUMMER = 1593554400.0  # 2020-07-01 in Berlin
NAIVE = datetime.datetime(2020, 7, 1)
COLUMNS = [
    ("x", pa.array([1, None], pa.int8()), [1.0, None]), ("x", pa.array([1, 2], pa.uint64()), [1.0, 2.0]),
    ("x", pa.array([1.5, None], pa.float32()), [1.5, None]), ("x", pa.array([1.5, float("nan")]), [1.5, None]),
    ("x", pa.array([1.5, 2.5]).cast(pa.float16()), [1.5, 2.5]), ("n", pa.array([1.0, 2.0]), [1.0, 2.0]),
    ("n", pa.array([3, None], pa.int32()), [3.0, None]), ("c", pa.array(["a", None], pa.large_string()), ["a", None]),
    ("c", pa.array(["a", None]).dictionary_encode(), ["a", None]),
    ("t", pa.array([NAIVE, None], pa.timestamp("s")), [SUMMER, None]),
    ("t", pa.array([NAIVE, None], pa.timestamp("ns")), [SUMMER, None]),
    ("t", pa.array([NAIVE, None], pa.timestamp("ms", "UTC")), [SUMMER + 7200, None]),
    ("t", pa.array([NAIVE.date(), None], pa.date32()), [SUMMER, None]),
    ("t", pa.array([SUMMER, None]), [SUMMER, None]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "array", "cells"), COLUMNS, ids=[f"{n} {a.type}" for n, a, _ in COLUMNS])
def test_columns_are_taken_from_every_type_that_fits(name: str, array: Any, cells: list[Any]) -> None:
    at = SIGNATURE.names.index(name)
    got = codec().parse(stream(table(**{name: array})), HEADERS)
    assert [row[at] for row in got.rows] == cells


REFUSED = [
    ("x", pa.array([[1.0], [2.0]])), ("c", pa.array([b"a", b"b"])), ("x", pa.array([None, None])),
    ("c", pa.array(["a", "b"], pa.string_view())), ("x", pa.array([True, False])), ("n", pa.array([1.5, 2.0])),
    ("c", pa.array([1, 2])), ("c", pa.array([1, 2]).dictionary_encode()), ("x", pa.array([1.0, float("inf")])),
    ("x", pa.array([1, 2]).cast(pa.decimal128(25, 2))), ("t", pa.array(["soon", "later"])),
    ("x", pa.array([{"a": 1}, {"a": 2}])), ("t", pa.array([1, 2], pa.time32("s"))),
    ("x", pa.RunEndEncodedArray.from_arrays([2], [1.0])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "array"), REFUSED, ids=[f"{n} {a.type}" for n, a in REFUSED])
def test_other_types_and_values_are_refused_by_column(name: str, array: Any) -> None:
    with pytest.raises(InputInvalid, match=f"'{name}'"):
        codec().parse(stream(table(**{name: array})), HEADERS)


def test_a_dictionary_is_not_multiplied() -> None:
    # Decoded, this column of a 1 MB body would be 20 GB.
    text = "x" * 1_000_000
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([text]))
    body = stream(table(20_000, c=column))
    got = codec().parse(body, HEADERS)
    assert len(got.rows) == 20_000
    assert got.rows[0][2] is got.rows[-1][2]


@pytest.mark.parametrize("kind", ["lz4", "zstd"])
def test_compressed_buffers_are_refused(kind: str) -> None:
    with pytest.raises(BodyInvalid, match="must not be compressed"):
        codec().parse(stream(table(1000, x=pa.array([0.0] * 1000)), compression=kind), HEADERS)
    coded = table(1000, c=pa.array(["a" * 90] * 1000).dictionary_encode())
    with pytest.raises(BodyInvalid, match="must not be compressed"):
        codec().parse(stream(coded, compression=kind), HEADERS)


def test_more_cells_than_a_body_can_hold_are_refused() -> None:
    signature = Signature("regression", tuple(Column(f"b{at}", "boolean") for at in range(8)))
    flags = {f"b{at}": pa.array([True] * 1_000_000) for at in range(8)}
    with pytest.raises(BodyInvalid, match="more cells"):
        codec(signature).parse(stream(pa.table(flags)), HEADERS)
    fewer = pa.table({name: column.slice(0, 1000) for name, column in flags.items()})
    assert len(codec(signature).parse(stream(fewer), HEADERS).rows) == 1000


def test_several_batches_are_one_table_and_names_are_unique() -> None:
    batches = pa.concat_tables([table(2), table(3), table(2).slice(0, 0)])
    assert len(codec().parse(stream(batches), HEADERS).rows) == 5
    doubled = pa.Table.from_arrays([*table().columns, pa.array([1.0, 2.0])], names=["x", "n", "c", "t", "x"])
    with pytest.raises(BodyInvalid, match="twice"):
        codec().parse(stream(doubled), HEADERS)
    with pytest.raises(BodyInvalid, match="no rows"):
        codec().parse(stream(table(2).slice(0, 0)), HEADERS)


@given(st.data())
def test_damaged_streams_are_refused_or_read(data: st.DataObject) -> None:
    body = bytearray(stream(table(3, c=pa.array(["a", "b", None]).dictionary_encode(), id=pa.array(["k", "l", "m"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    try:
        got = codec().parse(bytes(body[: data.draw(st.integers(0, len(body)))]), HEADERS)
    except InputInvalid:
        return
    assert all(len(row) == 4 for row in got.rows)


def test_answers_come_in_kind_unless_json_is_asked_for() -> None:
    answer = Answer(["yes", "no"], [[0.25, 0.75], [1.0, 0.0]])
    got = codec().parse(stream(table()), HEADERS)
    said = pa.ipc.open_stream(codec().render(got, answer)).read_all()
    assert said.to_pydict() == {"label": ["yes", "no"], "no": [0.25, 1.0], "yes": [0.75, 0.0]}
    assert dict(got.head) == {"content-type": MEDIA}
    as_json = codec().parse(stream(table()), {**HEADERS, "accept": "application/json"})
    assert codec().render(as_json, answer).startswith(b'{"predictions":[{"label":"yes"')
    plain = Signature("regression", (Column("x", "number"),))
    got = codec(plain).parse(stream(pa.table({"x": [1.0]})), HEADERS)
    assert pa.ipc.open_stream(codec(plain).render(got, Answer(None, [[2.5]]))).read_all().to_pydict() == {
        "value": [2.5]
    }


def test_a_compressed_body_is_not_read_before_it_is_decoded() -> None:
    with pytest.raises(BodyInvalid, match="compressed"):
        codec().parse(stream(table()), {**HEADERS, "content-encoding": "gzip"})


def test_without_pyarrow_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "pyarrow":
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyarrow")
        return real(name, *rest, **more)

    body = stream(table())
    monkeypatch.delitem(sys.modules, "pyarrow")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MediaUnsupported, match=r"pip install 'fairlead\[studio\]'"):
        codec().parse(body, HEADERS)
