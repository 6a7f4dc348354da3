"""Calls by gRPC are seen as RPC: by OpenTelemetry's names for it, and not as HTTP requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asking import ROW, ask, settings
from sinks import Sink
from test_metrics_page import page
from test_traces import attributes, spans

from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.serve.worker import open_plane

pytest.importorskip("grpc")
PATH = "grpc:/v2/models/churn/infer"


def message(**changed: Any) -> bytes:
    from fairlead.runtime.wire.proto import messages

    asked = messages("open_inference").ModelInferRequest(model_name="churn")
    kinds = (("tenure", "INT64", "int64_contents"), ("charges", "FP64", "fp64_contents"))
    more = (("contract", "BYTES", "bytes_contents"), ("paperless", "BOOL", "bool_contents"))
    for name, kind, field in (*kinds, *more):
        tensor = asked.inputs.add(name=name, datatype=kind, shape=[1])
        value = {**ROW, **changed}[name]
        getattr(tensor.contents, field).append(value.encode() if isinstance(value, str) else value)
    made: bytes = asked.SerializeToString()
    return made


def test_a_call_by_grpc_is_an_rpc_in_metrics_spans_and_events(home: Path) -> None:
    with Sink(code=200) as sink:
        telemetry = TelemetrySettings(otlp=sink.url, sample=1.0, events=sink.url)
        app = open_plane(0, {**settings(home), "telemetry": telemetry})
        replies = ask(app, *[message()] * 3, b"\n\x05churn", path=PATH, content_type="application/grpc")
        text = page(app)
        app.close()
    assert [reply.code for reply in replies] == [200, 200, 200, 400]
    labels = 'rpc_system_name="grpc",rpc_method="inference.GRPCInferenceService/ModelInfer"'
    assert f'rpc_server_call_duration_seconds_count{{{labels},rpc_response_status_code="OK"}} 3' in text
    assert f'rpc_server_call_duration_seconds_count{{{labels},rpc_response_status_code="INVALID_ARGUMENT"}} 1' in text
    assert "grpc:" not in text
    said = [attributes(span.attributes) for span in spans(sink)]
    assert [one["rpc.response.status_code"] for one in said] == ["OK"] * 3 + ["INVALID_ARGUMENT"]
    assert "http.route" not in said[0]
    told = [posted for posted in sink.taken if posted.headers.get("ce-type", "").endswith("request")]
    assert told[0].headers["content-type"] == "application/grpc"
    assert told[0].body == message()
