"""Every codec on models of clusters, anomalies and forecasts: rows mean what they always mean, answers fit the task."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import grpc_messages
import msgspec
import pyarrow as pa
import pytest
from speakers import CELLS, ROW, SIGNATURE, SPEAKERS, Speaker

from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Signature
from fairlead.runtime.serve.access import blunt
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed

GROUPS = msgspec.structs.replace(SIGNATURE, task="clustering", classes=('the "%" one', "1"), positive=None)
ODD = msgspec.structs.replace(SIGNATURE, task="anomaly", classes=(), positive="fraud", threshold=0.5)
AHEAD = msgspec.structs.replace(SIGNATURE, task="forecasting", classes=(), positive=None, horizon=3, step=3600.0)
ANSWERS = {
    "forecasting": Answer(None, [[1.5, -2.0, 3e20], [0.1, 4.0, 5.0]], "3"),
    "clustering": Answer(["1", 'the "%" one'], [[0.25, 0.75], [1.0, 0.0]], "3"),
    "anomaly": Answer(["true", "false"], [[0.75], [-1e300]], "3"),
}
TASKS = [pytest.param(GROUPS, id="clustering"), pytest.param(ODD, id="anomaly"), pytest.param(AHEAD, id="forecasting")]
COUNTS = (1, 2)


def some(signature: Signature, count: int) -> Answer:
    whole = ANSWERS[signature.task]
    labels = None if whole.labels is None else whole.labels[:count]
    return Answer(labels, whole.scores[:count], whole.version)


def native(signature: Signature, answer: Answer) -> list[dict[str, Any]]:
    """The native form of an answer."""
    if signature.task == "forecasting":
        return [{"forecast": row} for row in answer.scores]
    if signature.task == "clustering":
        return [{"cluster": label} for label in answer.labels or ()]
    said = zip(answer.labels or (), answer.scores, strict=True)
    return [{"anomaly": label == "true", "score": row[0]} for label, row in said]


def plain(signature: Signature, answer: Answer) -> list[Any]:
    """As a model's own `predict` answers."""
    if signature.task == "forecasting":
        return answer.scores
    labels = answer.labels or ()
    return [label == "true" for label in labels] if signature.task == "anomaly" else list(labels)


def tensors(signature: Signature, answer: Answer) -> list[dict[str, Any]]:
    rows = len(answer.scores)
    scores = [value for row in answer.scores for value in row]
    if signature.task == "forecasting":
        return [{"name": "forecast", "shape": [rows, 3], "datatype": "FP64", "data": scores}]
    if signature.task == "clustering":
        return [
            {"name": "cluster", "shape": [rows], "datatype": "BYTES", "data": list(answer.labels or ())},
            {"name": "memberships", "shape": [rows, 2], "datatype": "FP64", "data": scores},
        ]
    return [
        {"name": "anomaly", "shape": [rows], "datatype": "BOOL", "data": plain(signature, answer)},
        {"name": "score", "shape": [rows], "datatype": "FP64", "data": scores},
    ]


@pytest.mark.parametrize("signature", TASKS)
@pytest.mark.parametrize("speaker", SPEAKERS, ids=repr)
@pytest.mark.parametrize("count", COUNTS)
def test_each_protocol_takes_rows_and_answers_the_task(speaker: Speaker, signature: Signature, count: int) -> None:
    codec = speaker.codec(signature)
    parsed = speaker.parse(codec, [ROW] * count)
    assert [list(row) for row in parsed.rows] == [CELLS] * count
    answer = some(signature, count)
    body = codec.render(parsed, answer)
    if speaker.name == "v2grpc":
        assert grpc_messages.answer(body)["outputs"] == tensors(signature, answer)
    elif speaker.form == "arrow":
        check_arrow(signature, answer, body)
    elif speaker.form == "binary":
        check_binary(signature, answer, body)
    elif speaker.name == "v2":
        assert json.loads(body)["outputs"] == tensors(signature, answer)
    elif speaker.name == "native":
        assert json.loads(body)["predictions"] == native(signature, answer)
    else:
        said = json.loads(body)
        assert (said if isinstance(said, list) else said["predictions"]) == plain(signature, answer)


def check_arrow(signature: Signature, answer: Answer, body: bytes) -> None:
    table = pa.ipc.open_stream(body).read_all()
    if signature.task == "forecasting":
        assert table.schema.names == ["t+1", "t+2", "t+3"]
        assert [list(row.values()) for row in table.to_pylist()] == answer.scores
    elif signature.task == "clustering":
        assert table.schema.names == ["cluster", 'membership_the "%" one', "membership_1"]
        assert table.column("cluster").to_pylist() == answer.labels
    else:
        assert table.schema.names == ["anomaly", "score"]
        assert table.column("anomaly").to_pylist() == plain(signature, answer)
        assert table.column("score").to_pylist() == [row[0] for row in answer.scores]


def check_binary(signature: Signature, answer: Answer, body: bytes) -> None:
    said, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    *others, last = said["outputs"]
    first = others[0] if others else {"parameters": {"binary_data_size": 0}}
    size = first["parameters"]["binary_data_size"]
    raw, scores = body[end : end + size], body[end + size :]
    if signature.task == "anomaly":
        assert raw == bytes(plain(signature, answer))
    flat = [value for row in answer.scores for value in row]
    assert struct.unpack(f"<{len(flat)}d", scores) == tuple(flat)
    assert last["datatype"] == "FP64"


@pytest.mark.parametrize("signature", TASKS)
@pytest.mark.parametrize("name", [n for n in names("codec") if n in ("native", "v2")])
def test_many_requests_of_one_row_are_rendered_as_one_by_one(name: str, signature: Signature) -> None:
    codec = variant("codec", name)("m", signature, Checks(signature))
    answer = ANSWERS[signature.task]
    asked = [Parsed([CELLS]), Parsed([CELLS], id='an "id"' if name == "v2" else None)]
    labels: Sequence[str] | None = answer.labels
    together = codec.render_each(asked, labels, answer.scores, answer.version)
    alone = [
        codec.render(one, Answer(None if label is None else [label], [row], answer.version))
        for one, label, row in zip(asked, labels or (None, None), answer.scores, strict=True)
    ]
    assert together == alone


@pytest.mark.parametrize("signature", TASKS)
def test_outputs_of_v2_are_told_and_picked(signature: Signature) -> None:
    from fairlead.runtime.wire.tensors import asked_outputs, metadata_of, output_names

    told = {one["name"]: one for one in metadata_of(signature)["outputs"]}
    made = {one["name"]: one for one in tensors(signature, ANSWERS[signature.task])}
    assert list(told) == list(output_names(signature)) == list(made)
    for name, one in told.items():
        assert one["datatype"] == made[name]["datatype"]
        assert one["shape"] == [-1, *made[name]["shape"][1:]]
    first = output_names(signature)[0]
    assert asked_outputs([first], signature) == (first,)
    codec = variant("codec", "v2")("m", signature, Checks(signature))
    body = json.loads(codec.render(Parsed([CELLS] * 2, outputs=(first,)), ANSWERS[signature.task]))
    assert [one["name"] for one in body["outputs"]] == [first]


@pytest.mark.parametrize("name", ["mlflow", "sagemaker"])
def test_lines_and_csv_of_anomalies(name: str) -> None:
    codec = variant("codec", name)("m", ODD, Checks(ODD))
    body, headers = SPEAKERS[0].say([ROW] * 2)
    for accept, wanted in (
        ("text/csv", b"true\nfalse\n"),
        (
            "application/jsonlines",
            b'{"predicted_label":true,"scores":[0.75]}\n{"predicted_label":false,"scores":[-1e300]}\n',
        ),
    ):
        sent = json.dumps({"instances": json.loads(body)}).encode()
        parsed = codec.parse(sent, {**headers, "accept": accept})
        assert codec.render(parsed, ANSWERS["anomaly"]) == wanted


@pytest.mark.parametrize("name", ["mlflow", "sagemaker"])
def test_lines_and_csv_of_forecasts(name: str) -> None:
    codec = variant("codec", name)("m", AHEAD, Checks(AHEAD))
    body, headers = SPEAKERS[0].say([ROW] * 2)
    for accept, wanted in (
        ("text/csv", b"1.5,-2.0,3e20\n0.1,4.0,5.0\n"),
        ("application/jsonlines", b'{"score":[1.5,-2.0,3e20]}\n{"score":[0.1,4.0,5.0]}\n'),
    ):
        sent = json.dumps({"instances": json.loads(body)}).encode()
        parsed = codec.parse(sent, {**headers, "accept": accept})
        assert codec.render(parsed, ANSWERS["forecasting"]) == wanted


def test_a_caller_that_may_have_labels_alone_gets_no_score() -> None:
    told = blunt(ANSWERS["anomaly"], (), None, True)
    assert (told.labels, told.scores) == (["true", "false"], [[1.0], [0.0]])
    assert blunt(ANSWERS["anomaly"], (), 2, False).scores == ANSWERS["anomaly"].scores
    told = blunt(ANSWERS["clustering"], GROUPS.classes, None, True)
    assert told.scores == [[0.0, 1.0], [1.0, 0.0]]
