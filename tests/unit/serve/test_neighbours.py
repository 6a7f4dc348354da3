"""What clients of other servers ask: health, lists, the model repository, and every protocol through one data plane."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from asking import FIRST, ROW, SECOND, Reply, ask, bundles, deploy, plane, settings

from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.runtime.capture import Records, collect
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

VALUES = [ROW[name] for name in ("tenure", "charges", "contract", "paperless")]
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture
def app(home: Path) -> Iterator[DataPlane]:
    with plane(home) as made:
        yield made


def get(app: DataPlane, path: str) -> Reply:
    return ask(app, b"", path=path, method="GET")[0]


def test_probes_of_mlflow_and_sagemaker_say_whether_there_is_a_model(app: DataPlane, tmp_path: Path) -> None:
    for path in ("/ping", "/health"):
        reply = get(app, path)
        assert (reply.code, reply.body) == (200, b"\n")
    (tmp_path / "empty").mkdir()
    publish(tmp_path / "empty" / "routes.json", Routes(1))
    with plane(tmp_path / "empty") as empty:
        assert get(empty, "/ping").code == 404


def test_execution_parameters_follow_sagemakers_variables(app: DataPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/execution-parameters"
    expected = {"MaxConcurrentTransforms": 8, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
    assert get(app, path).json == expected
    monkeypatch.setenv("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "2")
    monkeypatch.setenv("SAGEMAKER_BATCH_STRATEGY", "SINGLE_RECORD")
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", "99")
    expected = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 16}
    assert get(app, path).json == expected


def test_v1_lists_models_and_refuses_what_it_does_not_offer(app: DataPlane) -> None:
    assert get(app, "/v1/models").json == {"models": ["churn"]}
    assert get(app, "/v1/models/churn").json == {"name": "churn", "ready": True}
    assert get(app, "/v1/models/nobody").code == 404
    assert ask(app, {"instances": [ROW]}, path="/v1/models/churn:explain")[0].code == 501
    assert ask(app, {"instances": [ROW]}, path="/v1/models/nobody:predict")[0].code == 404
    assert get(app, "/v1/models/churn:predict").code == 405
    assert ask(app, {}, path="/v1/models/churn")[0].code == 405


def test_the_repository_is_listed_and_loads_what_is_loaded(app: DataPlane) -> None:
    listed = [{"name": "churn", "version": "1", "state": "READY", "reason": ""}]
    assert ask(app, b"", path="/v2/repository/index")[0].json == listed
    assert ask(app, {"ready": True}, path="/v2/repository/index")[0].json == listed
    assert ask(app, {}, path="/v2/repository/models/churn/load")[0].code == 200
    refused = ask(app, {}, path="/v2/repository/models/churn/unload")[0]
    assert (refused.code, "stays loaded" in refused.json["error"]) == (501, True)
    assert ask(app, {}, path="/v2/repository/models/nobody/load")[0].code == 404
    assert ask(app, b"[", path="/v2/repository/index")[0].code == 400
    brought = {"parameters": {"config": "{}", "file:1/model.onnx": "AAAA"}}
    assert ask(app, brought, path="/v2/repository/models/churn/load")[0].code == 501
    assert get(app, "/v2/repository/index").code == 405
    assert ask(app, {}, path="/v2/repository/models/churn/other")[0].code == 404
    assert {"binary_tensor_data", "model_repository"} <= set(get(app, "/v2").json["extensions"])


def test_models_loaded_when_asked_are_loaded_ahead_and_let_go(tmp_path: Path) -> None:
    bundles(tmp_path)
    routes = tuple(Route(name, (Variant("champion", FIRST, 1),)) for name in ("one", "two"))
    publish(tmp_path / "routes.json", Routes(1, routes, limits=Limits(max_models_bytes=1 << 30)))
    with plane(tmp_path) as app:
        states = {one["name"]: one["state"] for one in ask(app, b"", path="/v2/repository/index")[0].json}
        assert states == {"one": "UNAVAILABLE", "two": "UNAVAILABLE"}
        assert ask(app, {}, path="/v2/repository/models/one/load")[0].code == 200
        ready = ask(app, {"ready": True}, path="/v2/repository/index")[0].json
        assert [one["name"] for one in ready] == ["one"]
        assert ask(app, {}, path="/v2/repository/models/one/unload")[0].code == 200
        assert ask(app, {"ready": True}, path="/v2/repository/index")[0].json == []
        assert ask(app, ROW, path="/predict/one")[0].code == 200


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {"tenure": "INT64", "charges": "FP64", "contract": "BYTES", "paperless": "BOOL"}
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[name] for row in rows]}
        for name, kind in kinds.items()
    ]
    return {"inputs": inputs}


def arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write(table)
    return bytes(sink.getvalue())


CSV = b"3,20.5,monthly,true\n" * 2
LINES = b'{"tenure":3,"charges":20.5,"contract":"monthly","paperless":true}\n' * 2
SPOKEN = [
    ("/predict", "application/json", [ROW] * 2, "native"), ("/predict", ARROW, arrow([ROW] * 2), "native"),
    ("/v2/models/churn/infer", "", tensors([ROW] * 2), "v2"),
    ("/v2/models/churn/versions/1/infer", "", tensors([ROW] * 2), "v2"),
    ("/v1/models/churn:predict", "application/json", {"instances": [ROW, VALUES]}, "v1"),
    ("/invocations", "application/json", {"dataframe_records": [ROW] * 2}, "mlflow"),
    ("/invocations/churn", "text/csv", CSV, "mlflow"),
    ("/invocations", "application/jsonlines", LINES, "mlflow"),
    ("/score", "application/json", {"input_data": [VALUES] * 2}, "azureml"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "kind", "body", "protocol"), SPOKEN, ids=[f"{p} {k}" for p, k, _, _ in SPOKEN])
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "bare deflate", "two members"])
def test_every_protocol_is_answered_captured_and_may_be_compressed(
    home: Path, path: str, kind: str, body: Any, protocol: str, encoding: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "": data,
        "gzip": gzip.compress(data),
        "deflate": zlib.compress(data),
        "bare deflate": bare.compress(data) + bare.flush(),
        "two members": gzip.compress(data[:9]) + gzip.compress(data[9:]),
    }[encoding]
    stated = {"": "", "two members": "gzip", "bare deflate": "deflate"}.get(encoding, encoding)
    with plane(home) as app:
        reply = ask(app, packed, path=path, content_type=kind, content_encoding=stated)[0]
        assert reply.code == 200, reply.body
        text = get(app, "/metrics").body.decode()
    assert f'protocol="{protocol}"' in text
    assert collect(home).records == 2
    assert set(Records(home, "churn").between(None, None)["in.tenure"].to_pylist()) == {3.0}


@pytest.mark.parametrize(("path", "kind", "body", "protocol"), SPOKEN, ids=[f"{p} {k}" for p, k, _, _ in SPOKEN])
def test_encodings_that_lie_are_refused_by_every_protocol(
    app: DataPlane, path: str, kind: str, body: Any, protocol: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    cases = {"br": (data[::-1], 415), "gzip": (b"\x1f\x8b" + data, 400), "deflate": (gzip.compress(data), 400)}
    for encoding, (sent, code) in cases.items():
        assert ask(app, sent, path=path, content_type=kind, content_encoding=encoding)[0].code == code
    if isinstance(body, bytes):
        # What says that it is compressed is not read as if it were not, even where it could be.
        assert ask(app, data, path=path, content_type=kind, content_encoding="gzip")[0].code == 400


def test_a_body_of_very_many_members_is_refused(app: DataPlane) -> None:
    assert ask(app, gzip.compress(b"") * 3000, content_encoding="gzip")[0].code == 400


def test_errors_of_mlflow_are_worded_as_mlflow_words_them(app: DataPlane) -> None:
    bad = ask(app, {"instances": [{**ROW, "tenure": "x"}]}, path="/invocations")[0]
    assert (bad.code, bad.json["error_code"]) == (400, "BAD_REQUEST")
    assert bad.json["message"].startswith("row 0, column 'tenure': found text")
    fault = ask(app, {"instances": [{**ROW, "tenure": -(10**6)}]}, path="/invocations")[0]
    assert (fault.code, fault.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert "Traceback" not in fault.json["message"]
    media = ask(app, b"x", path="/invocations", content_type="text/plain")[0]
    assert (media.code, media.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    nobody = ask(app, {"instances": [ROW]}, path="/invocations/nobody")[0]
    assert (nobody.code, nobody.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert ask(app, b"a" * 8, path="/predict", content_type=ARROW)[0].code == 400


def test_without_a_default_model_addresses_without_a_name_say_so(tmp_path: Path) -> None:
    bundles(tmp_path)
    routes = tuple(Route(name, (Variant("champion", FIRST, 1),)) for name in ("one", "two"))
    publish(tmp_path / "routes.json", Routes(1, routes))
    with plane(tmp_path) as app:
        assert ask(app, {"instances": [ROW]}, path="/invocations")[0].code == 404
        assert ask(app, {"input_data": [VALUES]}, path="/score")[0].code == 404
        assert ask(app, {"instances": [ROW]}, path="/invocations/two")[0].code == 200


def test_a_platforms_addresses_mean_the_default_model(home: Path) -> None:
    more = {
        "aliases": {"/my/predict": "vertex", "/invocations": "sagemaker", "/predict": "vertex"},
        "probes": ("/my/health", "/"),
    }
    app = open_plane(0, settings(home) | more)
    try:
        answers = [
            ask(app, {"instances": [ROW], "parameters": {"x": 1}}, path=path)[0] for path in ("/my/predict", "/predict")
        ]
        assert [answer.json for answer in answers] == [{"predictions": ["Yes"]}] * 2
        said = ask(app, CSV, path="/invocations", content_type="text/csv; label_size=0", accept="text/csv")[0]
        assert said.body == b"Yes\nYes\n"
        for path in ("/my/health", "/"):
            reply = get(app, path)
            assert (reply.code, reply.body) == (200, b"\n")
        assert ask(app, b"", path="/my/health")[0].code == 405
    finally:
        app.close()


def test_versions_are_pinned_by_their_number(home: Path) -> None:
    deploy(home, Variant("champion", FIRST, 1, 0.5), Variant("challenger", SECOND, 2, 0.5), generation=2)
    with plane(home) as app:
        for number in ("1", "2"):
            path = f"/v2/models/churn/versions/{number}/infer"
            replies = ask(app, *[tensors([ROW])] * 5, path=path)
            assert {reply.json["model_version"] for reply in replies} == {number}
        names = [(one["name"], one["version"]) for one in ask(app, b"", path="/v2/repository/index")[0].json]
        assert names == [("churn", "1"), ("churn", "2")]
        assert msgspec.json.decode(get(app, "/v2/models/churn").body)["versions"] == ["1", "2"]
