"""Every codec, one suite: the same rows mean the same, the same mistakes are named the same way."""

from __future__ import annotations

import json
from typing import Any

import grpc_messages
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import InputInvalid
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("age", "integer", nullable=False),
        Column("income, yearly", "number", minimum=0.0),
        Column("plan", "category", categories=("a", "b")),
        Column("member", "boolean"),
        Column("season", "category", coded="integer", categories=("1", "2")),
        Column("flag", "category", coded="boolean", categories=("false", "true")),
        Column("seen", "time"),
    ),
    classes=('No "%"', "Yes"),
    positive="Yes",
    key="id",
)
ROW = {
    "age": 31, "income, yearly": 1250.5, "plan": "a", "member": True, "season": 2, "flag": False,
    "seen": "2020-01-01T00:00:00Z", "id": "k1",
}  # fmt: skip
CELLS = [31.0, 1250.5, "a", 1.0, "2", "false", 1577836800.0]
TYPES = {"age": "INT64", "income, yearly": "FP64", "member": "BOOL", "season": "INT64", "flag": "BOOL"}


def native(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows if len(rows) != 1 else rows[0]).encode()


def v2(rows: list[dict[str, Any]]) -> bytes:
    tensors = []
    for name in {name: 0 for row in rows for name in row}:
        data = [row.get(name) for row in rows]
        kind = TYPES.get(name, "BYTES")
        seen = {type(value) for value in data if value is not None}
        if kind == "INT64" and seen == {float}:
            kind = "FP64"
        if seen == {str}:
            kind = "BYTES"
        if seen == {bool}:
            kind = "BOOL"
        if seen == {int} and kind in {"BYTES", "BOOL"}:
            kind = "INT64"
        tensors.append({"name": name, "shape": [len(rows)], "datatype": kind, "data": data})
    return json.dumps({"inputs": tensors}).encode()


def v2grpc(rows: list[dict[str, Any]]) -> bytes:
    return grpc_messages.message(v2(rows))


def said_by(codec: Any, body: bytes) -> Any:
    return grpc_messages.answer(body) if codec.name == "v2grpc" else msgspec.json.decode(body)


ENCODERS = {"native": native, "v2": v2, "v2grpc": v2grpc}
TENSORS = {"v2", "v2grpc"}


@pytest.fixture(params=names("codec"))
def codec(request: pytest.FixtureRequest) -> Any:
    return variant("codec", request.param)("churn", SIGNATURE, Checks(SIGNATURE))


def body(codec: Any, rows: list[dict[str, Any]]) -> bytes:
    return ENCODERS[codec.name](rows)


@pytest.mark.parametrize("count", [1, 2, 70])
def test_rows_are_decoded_to_cells_in_signature_order(codec: Any, count: int) -> None:
    parsed = codec.parse(body(codec, [ROW] * count), {})
    assert [list(row) for row in parsed.rows] == [CELLS] * count
    assert [list(row) for row in parsed.passes] == [["k1"]] * count


def test_columns_come_in_any_order(codec: Any) -> None:
    shuffled = {name: ROW[name] for name in reversed(ROW)}
    assert list(codec.parse(body(codec, [shuffled]), {}).rows[0]) == CELLS


def test_null_is_missing_where_the_model_takes_it(codec: Any) -> None:
    nulls = {name: ROW[name] if name == "age" else None for name in ROW}
    parsed = codec.parse(body(codec, [nulls]), {})
    assert list(parsed.rows[0]) == [31.0, *[None] * 6]
    assert parsed.passes is None


def test_a_category_never_seen_is_taken(codec: Any) -> None:
    assert codec.parse(body(codec, [{**ROW, "plan": "zzz"}]), {}).rows[0][2] == "zzz"


def test_whole_numbers_and_pass_through_columns_are_taken_liberally(codec: Any) -> None:
    row = {**ROW, "age": 31.0, "season": 2.0, "member": 1}
    del row["id"]
    parsed = codec.parse(body(codec, [row]), {})
    assert list(parsed.rows[0]) == CELLS
    assert parsed.passes is None


WRONG = [
    ({"age": 2.5}, "a number with a fraction", "'age'"),
    ({"age": "31"}, "text", "'age'"),
    ({"age": None}, "null", "'age'"),
    ({"age": True}, "a boolean", "'age'"),
    ({"income, yearly": "much"}, "text", "yearly"),
    ({"income, yearly": -1.0}, "out of range", "yearly"),
    ({"plan": 3}, "an integer", "'plan'"),
    ({"plan": True}, "a boolean", "'plan'"),
    ({"member": "perhaps"}, "text", "'member'"),
    ({"member": 2}, "an integer", "'member'"),
    ({"season": 1.5}, "a number with a fraction", "'season'"),
    ({"season": "spring"}, "text", "'season'"),
    ({"seen": "soon"}, "text", "'seen'"),
]


@pytest.mark.parametrize(("change", "found", "column"), WRONG)
@pytest.mark.parametrize("at", [0, 1])
def test_a_wrong_cell_is_named_by_row_column_and_kind(
    codec: Any, change: dict, found: str, column: str, at: int
) -> None:
    rows = [dict(ROW), dict(ROW)][: at + 1]
    rows[at].update(change)
    if codec.name in TENSORS and at == 1:
        # One tensor has one datatype: the mistake is in all of its rows.
        rows[0].update(change)
    with pytest.raises(InputInvalid) as refused:
        codec.parse(body(codec, rows), {})
    said = str(refused.value)
    assert found in said
    assert column in said
    assert "row 0" in said if codec.name in TENSORS else f"row {at}" in said
    for value in change.values():
        assert value is None or not isinstance(value, str) or value not in said


def test_missing_and_unknown_columns_are_named_with_what_is_expected(codec: Any) -> None:
    short = {name: ROW[name] for name in ROW if name != "plan"}
    with pytest.raises(InputInvalid, match=r"columns missing: plan\. This model expects: age, "):
        codec.parse(body(codec, [short]), {})
    with pytest.raises(InputInvalid, match=r"columns unknown: colour\. "):
        codec.parse(body(codec, [{**ROW, "colour": "red"}]), {})


BROKEN = [
    b"", b"{", b"null", b"3", b'"x"', b"[]", b"[1]", b"[[1]]", b"\xff\xfe", b"NaN", b'{"inputs": []}', b'{"inputs": 3}',
    b'{"columns": {}}', b'{"columns": {"age": 3}}', b"[" * 100_000, b'{"a":' * 100_000, b'{"inputs":[{}]}',
    b'{"inputs":[{"name":"age","shape":[1],"datatype":"INT64","data":[NaN]}]}',
    b'{"age": 1e999}', b'{"age": Infinity}',
]  # fmt: skip


@pytest.mark.parametrize("bad", BROKEN)
def test_a_body_that_is_no_request_is_refused_on_purpose(codec: Any, bad: bytes) -> None:
    with pytest.raises(InputInvalid):
        codec.parse(bad, {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ROW, "inputs", "data", "name", "x"]), inner)
    ),
    max_leaves=12,
)


@given(value=json_values)
@pytest.mark.parametrize("name", names("codec"))
def test_no_body_makes_anything_but_rows_or_a_refusal(name: str, value: Any) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    bodies = [
        json.dumps(value).encode(),
        json.dumps({"inputs": value}).encode(),
        json.dumps({**ROW, "age": value}).encode(),
    ]
    for one in bodies:
        try:
            parsed = codec.parse(one, {})
        except InputInvalid:
            continue
        assert all(len(row) == len(SIGNATURE.columns) for row in parsed.rows)


@given(
    age=st.integers(-(2**53), 2**53), income=st.floats(0, allow_infinity=False), plan=st.none() | st.text(max_size=30)
)
@pytest.mark.parametrize("name", names("codec"))
def test_values_survive_exactly(name: str, age: int, income: float, plan: str | None) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    row = {**ROW, "age": age, "income, yearly": income, "plan": plan}
    for rows in ([row], [row, row]):
        got = codec.parse(body(codec, rows), {}).rows
        assert [list(one)[:3] for one in got] == [[float(age), income, plan]] * len(rows)


def test_answers_can_be_read_whatever_the_classes_are_called(codec: Any) -> None:
    asked = Parsed([CELLS] * 2)
    said = said_by(codec, codec.render(asked, Answer(["Yes", 'No "%"'], [[0.25, 0.75], [1.0, 5e-324]], "3")))
    if codec.name == "native":
        assert said["predictions"][0] == {"label": "Yes", "probabilities": {'No "%"': 0.25, "Yes": 0.75}}
        assert said["predictions"][1]["probabilities"]["Yes"] == 5e-324
    else:
        label, probabilities = said["outputs"]
        assert label == {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["Yes", 'No "%"']}
        assert probabilities["shape"] == [2, 2]
        assert probabilities["data"] == [0.25, 0.75, 1.0, 5e-324]
        assert (said["model_name"], said["model_version"]) == ("churn", "3")


def test_a_regression_answers_numbers(codec: Any) -> None:
    signature = Signature("regression", (Column("x", "number"),))
    plain = variant("codec", codec.name)("price", signature, Checks(signature))
    said = said_by(codec, plain.render(Parsed([[1.0]]), Answer(None, [[2.5]])))
    if codec.name == "native":
        assert said == {"predictions": [2.5]}
    else:
        assert said["outputs"] == [{"name": "value", "shape": [1], "datatype": "FP64", "data": [2.5]}]


def test_errors_are_an_object_with_one_text(codec: Any) -> None:
    assert msgspec.json.decode(codec.error('a "quoted" word', 400)) == {"error": 'a "quoted" word'}
