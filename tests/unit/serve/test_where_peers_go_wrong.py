"""Mistakes seen in other servers, each made right here, and the liberties that real clients take."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import ROW, Reply, ask, deploy, plane, server

from fairlead.contract.routes import Limits
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.wire.tensors import raw_of

KINDS = {"tenure": "INT64", "charges": "FP64", "contract": "BYTES", "paperless": "BOOL"}
INFER = "/v2/models/churn/infer"


@pytest.fixture
def app(home: Path) -> Iterator[DataPlane]:
    with plane(home) as made:
        yield made


def tensors(rows: int = 1, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    made = [
        {"name": name, "shape": [rows], "datatype": kind, "data": [ROW[name]] * rows} for name, kind in KINDS.items()
    ]
    for one in made:
        one.update(changes.get(one["name"], {}))
    return [one for one in made if one]


def infer(app: DataPlane, inputs: list[dict[str, Any]], **more: Any) -> Reply:
    return ask(app, {"inputs": inputs, **more}, path=INFER)[0]


def binary(app: DataPlane, inputs: list[dict[str, Any]], raws: list[bytes], length: int = 0, **more: Any) -> Reply:
    stated = json.dumps({"inputs": inputs, **more}).encode()
    body = stated + b"".join(raws)
    return ask(app, body, path=INFER, inference_header_content_length=str(len(stated) + length))[0]


def test_nested_bytes_mean_what_flat_ones_mean(app: DataPlane) -> None:
    flat, nested = (
        infer(app, tensors(2)),
        infer(app, tensors(2, contract={"shape": [2, 1], "data": [["monthly"], ["monthly"]]})),
    )
    assert flat.code == nested.code == 200
    assert flat.json["outputs"] == nested.json["outputs"]


def test_columns_of_different_lengths_are_refused(app: DataPlane) -> None:
    reply = infer(app, tensors(2, charges={"shape": [1], "data": [1.0]}))
    assert (reply.code, "columns differ in length: 'tenure' has 2 rows, 'charges' has 1" in reply.json["error"]) == (
        400,
        True,
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_fractions_in_an_int64_and_words_for_a_boolean_are_refused(app: DataPlane, rows: int) -> None:
    for name, data in (("tenure", 2.5), ("paperless", "perhaps"), ("tenure", "3"), ("charges", True)):
        reply = infer(app, tensors(rows, **{name: {"data": [data] * rows}}))
        assert reply.code == 400
        assert f"column '{name}'" in reply.json["error"]


def test_missing_inputs_and_wrong_shapes_are_the_clients_mistake(app: DataPlane) -> None:
    missing = infer(app, tensors()[1:])
    assert (missing.code, missing.json["error"][:23]) == (400, "columns missing: tenure")
    for shape in ([2], [1, 2], [-1], [], ["1"], None, [2**62, 2**62]):
        reply = infer(app, tensors(tenure={"shape": shape}))
        assert (reply.code, "'tenure'" in reply.json["error"]) == (400, True)


def test_errors_are_said_under_error_and_health_has_a_body(app: DataPlane) -> None:
    for path in ("/v2/models/nobody/infer", "/v2/models/churn/versions/9/infer", "/v2/models/nobody"):
        reply = ask(app, {}, path=path)[0]
        assert (reply.code, list(reply.json)) == (404, ["error"])
    for path, body in (("/v2/health/live", {"live": True}), ("/v2/health/ready", {"ready": True})):
        assert ask(app, b"", path=path, method="GET")[0].json == body


def test_names_that_do_not_exist_do_not_grow_the_metrics(app: DataPlane) -> None:
    def asked(number: int) -> None:
        for path in (f"/v2/models/m{number}/infer", f"/v1/models/m{number}:predict", f"/invocations/m{number}"):
            assert ask(app, b"{}", path=path)[0].code == 404
        assert ask(app, b"{}", path=f"/v2/repository/models/m{number}/load")[0].code == 404

    def series() -> int:
        return ask(app, b"", path="/metrics", method="GET")[0].body.count(b"\n")

    asked(0)
    series()
    before = series()
    for number in range(1, 60):
        asked(number)
    assert series() == before


LIES = [({"binary_data_size": 9}, 0), ({"binary_data_size": -1}, 0), ({"binary_data_size": True}, 0),
        ({"binary_data_size": 8}, 4), ({"binary_data_size": 10**9}, 0), ({"binary_data_size": 4}, 0)]  # fmt: skip


@pytest.mark.parametrize(("parameters", "length"), LIES)
def test_binary_sizes_that_lie_are_refused(app: DataPlane, parameters: dict[str, Any], length: int) -> None:
    inputs = tensors()
    del inputs[0]["data"]
    inputs[0]["parameters"] = parameters
    reply = binary(app, inputs, [struct.pack("<q", 3)], length)
    assert (reply.code, list(reply.json)) == (400, ["error"])
    for said in ("-1", "x", "", "99999", "1e3", "٣"):
        again = ask(app, json.dumps({"inputs": tensors()}).encode() + b"\0", path=INFER,
                    inference_header_content_length=said)[0]  # fmt: skip
        assert again.code == 400


def test_unknown_outputs_and_versions_are_named(app: DataPlane) -> None:
    reply = infer(app, tensors(), outputs=[{"name": "margin"}])
    assert (reply.code, reply.json["error"]) == (
        400, "outputs unknown: margin. This model gives: label, probabilities.",
    )  # fmt: skip
    assert ask(app, {"inputs": tensors()}, path="/v2/models/churn/versions/7/infer")[0].code == 404


def test_a_body_that_is_declared_too_large_is_refused_unread(home: Path) -> None:
    import http.client

    deploy(home, limits=Limits(max_body_bytes=1000))
    with server(home) as live:
        wire = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
        wire.putrequest("POST", INFER)
        wire.putheader("content-length", str(10 << 30))
        wire.endheaders()
        assert wire.getresponse().status == 413


def test_errors_hold_no_trace_and_no_value(app: DataPlane) -> None:
    secret = "s3cret-value"
    cases = [
        (INFER, {"inputs": tensors(tenure={"datatype": "BYTES", "data": [secret]})}),
        ("/invocations", {"instances": [{**ROW, "tenure": secret}]}),
        ("/v1/models/churn:predict", {"instances": [{**ROW, "paperless": secret}]}),
        ("/score", {"input_data": {"columns": [*ROW], "data": [[secret, *list(ROW.values())[1:]]]}}),
    ]
    for path, body in cases:
        reply = ask(app, body, path=path)[0]
        assert reply.code == 400
        assert secret.encode() not in reply.body
        assert b"Traceback" not in reply.body
    fault = ask(app, {"instances": [{**ROW, "tenure": -(10**6)}]}, path="/invocations")[0]
    assert (fault.code, b"math" in fault.body, b"File" in fault.body) == (500, False, False)


def test_a_client_that_sends_no_usable_content_type_is_answered(app: DataPlane) -> None:
    for kind in ("", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream", "nonsense"):
        reply = ask(app, {"inputs": tensors()}, path=INFER, content_type=kind)[0]
        assert reply.code == 200


def test_binary_tensors_are_what_json_ones_are_in_both_directions(app: DataPlane) -> None:
    for rows in (1, 40):
        inputs, raws = tensors(rows), []
        for one in inputs:
            raws.append(raw_of(one.pop("data"), one["datatype"]))
            one["parameters"] = {"binary_data_size": len(raws[-1])}
        plain = infer(app, tensors(rows)).json["outputs"]
        reply = binary(app, inputs, raws, parameters={"binary_data_output": True})
        assert reply.code == 200
        assert reply.headers["content-type"] == "application/octet-stream"
        end = int(reply.headers["inference-header-content-length"])
        label, probabilities = json.loads(reply.body[:end])["outputs"]
        size = label["parameters"]["binary_data_size"]
        assert reply.body[end : end + size] == raw_of(plain[0]["data"], "BYTES")
        assert np.frombuffer(reply.body[end + size :], "<f8").tolist() == plain[1]["data"]
        assert probabilities["shape"] == [rows, 2]
        one_only = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
        mixed = binary(app, inputs, raws, outputs=one_only)
        end = int(mixed.headers["inference-header-content-length"])
        first, second = json.loads(mixed.body[:end])["outputs"]
        assert (first["name"], "data" in first, second["data"]) == ("probabilities", False, plain[0]["data"])


def test_a_column_of_n_and_of_n_by_one_in_any_order_is_the_same(app: DataPlane) -> None:
    plain = infer(app, tensors(3)).json["outputs"]
    upright = [{**one, "shape": [3, 1]} for one in reversed(tensors(3))]
    assert infer(app, upright).json["outputs"] == plain
    whole = infer(app, tensors(3, tenure={"datatype": "FP32", "data": [3.0] * 3}))
    assert whole.json["outputs"] == plain


@pytest.mark.parametrize("rows", [1, 3])
def test_null_and_nan_are_missing(app: DataPlane, rows: int) -> None:
    missing = infer(app, tensors(rows, charges={"data": [None] * rows}))
    inputs = tensors(rows)
    del inputs[1]["data"]
    inputs[1]["parameters"] = {"binary_data_size": 8 * rows}
    as_nan = binary(app, inputs, [struct.pack("<d", float("nan")) * rows])
    bare = json.dumps({"inputs": tensors(rows, charges={"data": [float("nan")] * rows})}).encode()
    in_json = ask(app, bare, path=INFER)[0]
    assert missing.code == as_nan.code == in_json.code == 200
    assert missing.json["outputs"] == as_nan.json["outputs"] == in_json.json["outputs"]


def test_parameters_that_mean_something_else_are_refused_and_others_are_ignored(app: DataPlane) -> None:
    fine = tensors(contract={"parameters": {"content_type": "str"}})
    assert infer(app, fine, parameters={"content_type": "pd", "priority": 3, "sequence_id": 7}).code == 200
    coded = tensors(contract={"data": ["bW9udGhseQ=="], "parameters": {"content_type": "base64"}})
    assert infer(app, coded).json["outputs"] == infer(app, tensors()).json["outputs"]
    for refused in (
        {"inputs": tensors(tenure={"parameters": {"shared_memory_region": "r"}})},
        {"inputs": tensors(), "outputs": [{"name": "label", "parameters": {"classification": 2}}]},
    ):
        assert ask(app, refused, path=INFER)[0].code == 400


def test_a_retry_with_the_same_id_is_answered_again(app: DataPlane) -> None:
    replies = [infer(app, tensors(), id="again") for _ in range(2)]
    assert [reply.json["id"] for reply in replies] == ["again", "again"]
