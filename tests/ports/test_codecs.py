"""Every codec, one suite: the same rows mean the same, the same mistakes are named the same way."""

from __future__ import annotations

import json
from typing import Any

import grpc_messages
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speakers import CELLS, ROW, SIGNATURE, SPEAKERS, Speaker

from fairlead.contract.errors import InputInvalid
from fairlead.contract.plugins import BUILT_IN, names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed

KINDS = ("", "application/json", "text/csv", "application/jsonlines", "application/vnd.apache.arrow.stream")


@pytest.fixture(params=SPEAKERS, ids=repr)
def speaker(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def codec(speaker: Speaker) -> Any:
    return speaker.codec()


def test_every_codec_has_a_speaker() -> None:
    assert {speaker.name for speaker in SPEAKERS} == set(BUILT_IN["codec"])


@pytest.mark.parametrize("count", [1, 2, 70])
def test_rows_are_decoded_to_cells_in_signature_order(speaker: Speaker, codec: Any, count: int) -> None:
    parsed = speaker.parse(codec, [ROW] * count)
    assert [list(row) for row in parsed.rows] == [CELLS] * count
    if speaker.named:
        assert [list(row) for row in parsed.passes] == [["k1"]] * count
    else:
        assert parsed.passes is None


def test_columns_come_in_any_order_again_and_again(speaker: Speaker, codec: Any) -> None:
    shuffled = {name: ROW[name] for name in reversed(ROW)}
    for _ in range(40):
        # An order that keeps coming may get a decoder of its own, which must mean the same.
        assert list(speaker.parse(codec, [shuffled]).rows[0]) == CELLS
        assert list(speaker.parse(codec, [ROW]).rows[0]) == CELLS


def test_null_is_missing_where_the_model_takes_it(speaker: Speaker, codec: Any) -> None:
    for rows in (1, 2):
        nulls = {name: ROW[name] if name == "age" else None for name in ROW}
        parsed = speaker.parse(codec, [nulls] * rows)
        assert [list(row) for row in parsed.rows] == [[31.0, *[None] * 6]] * rows
        assert parsed.passes is None


def test_a_category_never_seen_is_taken(speaker: Speaker, codec: Any) -> None:
    assert speaker.parse(codec, [{**ROW, "plan": "zzz"}]).rows[0][2] == "zzz"


def test_whole_numbers_and_pass_through_columns_are_taken_liberally(speaker: Speaker, codec: Any) -> None:
    row = {**ROW, "age": 31.0, "season": 2.0, "member": 1}
    del row["id"]
    for rows in (1, 2):
        parsed = speaker.parse(codec, [row] * rows)
        assert [list(cells) for cells in parsed.rows] == [CELLS] * rows
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
AS_TEXT = ({"age": "31"}, {"plan": 3}, {"plan": True})


@pytest.mark.parametrize(("change", "found", "column"), WRONG)
@pytest.mark.parametrize("at", [0, 1])
def test_a_wrong_cell_is_named_by_row_column_and_kind(
    speaker: Speaker, codec: Any, change: dict, found: str, column: str, at: int
) -> None:
    rows = [dict(ROW), dict(ROW)][: at + 1]
    rows[at].update(change)
    if speaker.whole and at == 1:
        rows[0].update(change)
    if not speaker.typed and change in AS_TEXT:
        # CSV writes a number and its text alike.
        assert len(speaker.parse(codec, rows).rows) == at + 1
        return
    with pytest.raises(InputInvalid) as refused:
        speaker.parse(codec, rows)
    said = str(refused.value)
    if speaker.typed:
        assert found in said
    assert column in said
    assert "row 0" in said if speaker.whole else f"row {at}" in said
    for value in change.values():
        assert value is None or not isinstance(value, str) or value not in said


def test_missing_and_unknown_columns_are_named_with_what_is_expected(speaker: Speaker, codec: Any) -> None:
    short = {name: ROW[name] for name in ROW if name != "plan"}
    if not speaker.named:
        with pytest.raises(InputInvalid, match=r"row 0: 6 values for 7 columns\. In order: age, "):
            speaker.parse(codec, [short])
        return
    with pytest.raises(InputInvalid, match=r"columns missing: plan\. This model expects: age, "):
        speaker.parse(codec, [short])
    with pytest.raises(InputInvalid, match=r"columns unknown: colour\. "):
        speaker.parse(codec, [{**ROW, "colour": "red"}])


BROKEN = [
    b"", b"{", b"null", b"3", b'"x"', b"[]", b"[1]", b"[[1]]", b"\xff\xfe", b"NaN", b'{"inputs": []}', b'{"inputs": 3}',
    b'{"columns": {}}', b'{"columns": {"age": 3}}', b"[" * 100_000, b'{"a":' * 100_000, b'{"inputs":[{}]}',
    b'{"inputs":[{"name":"age","shape":[1],"datatype":"INT64","data":[NaN]}]}', b'{"instances":NaN}',
    b'{"age": 1e999}', b'{"age": Infinity}', b'{"instances":[]}', b'{"instances":{}}', b'{"dataframe_split":{}}',
    b'{"dataframe_split":{"columns":["age"],"data":[]}}', b'{"dataframe_split":{"columns":[1],"data":[[1]]}}',
    b'{"input_data":[]}', b'{"instances":[[]]}', b'{"instances":[{}, []]}', b'{"instances":' + b"[" * 100_000, b"\n\n",
    b'{"dataframe_split":{"columns":["age","age"],"data":[[1,1]]}}', b"\xff" * 64, b"\xff\xff\xff\xff\0\0\0\0",
    b'a,"b\n',
]  # fmt: skip


@pytest.mark.parametrize("name", names("codec"))
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_no_request_is_refused_on_purpose(name: str, kind: str) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    for bad in BROKEN:
        with pytest.raises(InputInvalid):
            codec.parse(bad, {"content-type": kind})


KEYS = ("inputs", "instances", "dataframe_split", "dataframe_records", "input_data", "columns", "data")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ROW, *KEYS, "name", "x", "shape"]), inner)
    ),
    max_leaves=12,
)


def check_only_rows_or_a_refusal(codec: Any, body: bytes, headers: dict[str, str]) -> None:
    try:
        parsed = codec.parse(body, headers)
    except InputInvalid:
        return
    assert parsed.rows
    assert all(len(row) == len(SIGNATURE.columns) for row in parsed.rows)
    for row in parsed.rows:
        assert all(cell is None or isinstance(cell, (float, str)) for cell in row)
        assert all(cell - cell == 0.0 for cell in row if isinstance(cell, float))


@given(value=json_values, key=st.sampled_from(KEYS), kind=st.sampled_from(KINDS))
@pytest.mark.parametrize("name", names("codec"))
def test_no_body_makes_anything_but_rows_or_a_refusal(name: str, value: Any, key: str, kind: str) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    bodies = [
        json.dumps(value).encode(),
        json.dumps({key: value}).encode(),
        json.dumps({key: [{**ROW, "age": value}]}).encode(),
        json.dumps({**ROW, "age": value}).encode(),
    ]
    for one in bodies:
        check_only_rows_or_a_refusal(codec, one, {"content-type": kind})


@given(data=st.data())
@pytest.mark.parametrize("speaker", SPEAKERS, ids=repr)
def test_damaged_bodies_make_nothing_but_rows_or_a_refusal(speaker: Speaker, data: st.DataObject) -> None:
    codec = speaker.codec()
    body, headers = speaker.say([ROW] * data.draw(st.integers(1, 3)))
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check_only_rows_or_a_refusal(codec, bytes(damaged), headers)
    check_only_rows_or_a_refusal(codec, data.draw(st.binary(max_size=60)), headers)


@given(
    age=st.integers(-(2**53), 2**53), income=st.floats(0, allow_infinity=False), plan=st.none() | st.text(max_size=30)
)
@pytest.mark.parametrize("speaker", SPEAKERS, ids=repr)
def test_values_survive_exactly(speaker: Speaker, age: int, income: float, plan: str | None) -> None:
    codec = speaker.codec()
    if not speaker.typed and plan is not None and not plan.strip():
        plan = None
    row = {**ROW, "age": age, "income, yearly": income, "plan": plan}
    for rows in ([row], [row, row]):
        got = speaker.parse(codec, rows).rows
        assert [list(one)[:3] for one in got] == [[float(age), income, plan]] * len(rows)


LABELS, SCORES = ["Yes", 'No "%"'], [[0.25, 0.75], [1.0, 5e-324]]


@pytest.mark.parametrize("count", [1, 2])
def test_all_protocols_tell_the_same_decisions(speaker: Speaker, codec: Any, count: int) -> None:
    asked = speaker.parse(codec, [ROW] * count)
    body = codec.render(asked, Answer(LABELS[:count], SCORES[:count], "3"))
    assert speaker.labels(body) == LABELS[:count]


def test_answers_can_be_read_whatever_the_classes_are_called() -> None:
    answer = Answer(LABELS, SCORES, "3")
    for name in ("v2", "v2grpc"):
        codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
        body = codec.render(Parsed([CELLS] * 2), answer)
        said = grpc_messages.answer(body) if name == "v2grpc" else msgspec.json.decode(body)
        label, probabilities = said["outputs"]
        assert label == {"name": "label", "shape": [2], "datatype": "BYTES", "data": LABELS}
        assert probabilities["shape"] == [2, 2]
        assert probabilities["data"] == [0.25, 0.75, 1.0, 5e-324]
        assert (said["model_name"], said["model_version"]) == ("churn", "3")
    codec = variant("codec", "native")("churn", SIGNATURE, Checks(SIGNATURE))
    said = msgspec.json.decode(codec.render(Parsed([CELLS] * 2), answer))
    assert said["predictions"][0] == {"label": "Yes", "probabilities": {'No "%"': 0.25, "Yes": 0.75}}
    assert said["predictions"][1]["probabilities"]["Yes"] == 5e-324


NUMBER = Signature("regression", (Column("x", "number"),))


@pytest.mark.parametrize("name", names("codec"))
@pytest.mark.parametrize("scores", [[[2.5]], [[2.5], [-1e300]]])
def test_a_regression_answers_numbers(name: str, scores: list[list[float]]) -> None:
    plain = variant("codec", name)("price", NUMBER, Checks(NUMBER))
    body = plain.render(Parsed([[1.0]] * len(scores)), Answer(None, scores))
    said = grpc_messages.answer(body) if name == "v2grpc" else msgspec.json.decode(body)
    numbers = [score[0] for score in scores]
    if name in {"v2", "v2grpc"}:
        assert said["outputs"] == [{"name": "value", "shape": [len(scores)], "datatype": "FP64", "data": numbers}]
    else:
        assert said == (numbers if name == "azureml" else {"predictions": numbers})


@pytest.mark.parametrize(
    ("classes", "said"), [(("0", "1"), [1, 0]), (("false", "true"), [True, False]), (("0", "one"), ["one", "0"])]
)
def test_labels_look_as_they_do_in_tables(classes: tuple[str, str], said: list[Any]) -> None:
    signature = Signature("classification", (Column("x", "number"),), classes=classes)
    answer = Answer([classes[1], classes[0]], [[0.0, 1.0], [1.0, 0.0]])
    for name in ("v1", "mlflow", "vertex", "azureml"):
        codec = variant("codec", name)("m", signature, Checks(signature))
        for count in (1, 2):
            one = Answer((answer.labels or [])[:count], answer.scores[:count])
            body = msgspec.json.decode(codec.render(Parsed([[1.0]] * count), one))
            assert (body if name == "azureml" else body["predictions"]) == said[:count]


@pytest.mark.parametrize("name", names("codec"))
def test_errors_are_an_object_with_one_text(name: str) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    said = msgspec.json.decode(codec.error('a "quoted" word', 400))
    if name in {"mlflow", "sagemaker"}:
        assert said == {"error_code": "BAD_REQUEST", "message": 'a "quoted" word'}
        assert msgspec.json.decode(codec.error("x", 500))["error_code"] == "INTERNAL_ERROR"
        assert codec.error("only JSON", 415) == b"only JSON"
    else:
        assert said == {"error": 'a "quoted" word'}


@pytest.mark.parametrize("name", names("codec"))
def test_addresses_are_those_of_the_model(name: str) -> None:
    codec = variant("codec", name)("churn", SIGNATURE, Checks(SIGNATURE))
    paths = [*codec.paths(), *codec.default_paths()]
    assert len(set(paths)) == len(paths)
    assert all("churn" in path for path in codec.paths())
    assert all(path.startswith(("/", "grpc:/")) for path in paths)
