"""Requests and answers as CloudEvents to an HTTP sink, in the form of KServe's logger or of Seldon's.

Source: CloudEvents 1.0 HTTP binding, binary mode; the attributes are those that KServe's agent and Seldon's request
logger send. Of a route that redacts columns no body is sent as it came: its rows are, with those columns hashed, and
tensors of more than `MOST_ELEMENTS` as `{"b64": ...}` of their bytes, which a request may have, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from fairlead.contract.ports import Request
from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.bundle.tensor_cells import outside, packed, size
from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.serve.clock import time_of_day
from fairlead.runtime.serve.deployed import Deployed, Endpoint
from fairlead.runtime.serve.identity import usable
from fairlead.runtime.serve.observing.sender import Sender
from fairlead.runtime.serve.observing.traceparent import read
from fairlead.runtime.serve.observing.watched import Watched
from fairlead.runtime.wire.codec import Header, Parsed

TYPES = {"kserve": "org.kubeflow.serving.inference", "seldon": "io.seldon.serving.inference"}
UNTOLD = frozenset({401, 403, 413, 429, 503})
"""Whoever may not ask, or asks too much, does not fill the sink."""
MOST_ELEMENTS = 1024
"""Of a tensor that is written out as nested lists; beyond, that takes a worker as long as many answers."""
_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_json = msgspec.json.Encoder().encode


class Events:
    """A tap. Every request for a prediction is told, and its answer where that is a 200."""

    def __init__(self, telemetry: TelemetrySettings, sender: Sender, instance: str) -> None:
        self._sender, self._form = sender, telemetry.events_form
        self._requests = telemetry.events_mode in {"all", "request"}
        self._responses = telemetry.events_mode in {"all", "response"}
        self._source = f"/fairlead/{instance}"
        self._namespace = _namespace()

    def wants(self, endpoint: Endpoint, request: Request) -> bool:
        """Every request."""
        return True

    def head(self, mark: bool) -> Header | None:
        """Nothing goes with the answer."""
        return None

    def seen(self, watched: Watched, mark: bool) -> None:
        """Put what there is to tell into the queue."""
        if watched.code in UNTOLD:
            return
        common = self._common(watched)
        if self._requests:
            told = self._asked(watched)
            if told is not None:
                head, body = told
                self._sender.put({**common, **head, "ce-type": f"{TYPES[self._form]}.request"}, body)
        if self._responses and watched.code == 200:
            head = {"content-type": watched.said("content-type") or "application/json", **_sized(watched.head)}
            self._sender.put({**common, **head, "ce-type": f"{TYPES[self._form]}.response"}, watched.body_out)

    def close(self) -> None:
        """Of what waits, send what goes within a few seconds."""
        self._sender.close()

    def _common(self, watched: Watched) -> dict[str, str]:
        """Attributes that a request and its answer share."""
        model = watched.endpoint.deployed.route.model
        given = watched.headers.get("ce-id")
        id = given if given is not None and usable(given) else watched.said("x-request-id")
        main = watched.endpoint.deployed.answering[0]
        other = bool(watched.answered) and all(live is not main for live, _ in watched.answered)
        said = {
            "ce-specversion": "1.0",
            "ce-id": _header(id),
            "ce-source": self._source,
            "ce-time": datetime.fromtimestamp(time_of_day(watched.arrived), UTC).isoformat().replace("+00:00", "Z"),
            "ce-inferenceservicename": _header(model),
            "ce-namespace": self._namespace,
            "ce-endpoint": "canary" if other else "default",
        }
        if self._form == "kserve":
            said["ce-component"] = "predictor"
        else:
            said |= {"ce-requestid": said["ce-id"], "ce-modelid": said["ce-inferenceservicename"]}
        trace = watched.headers.get("traceparent")
        if read(trace) is not None and trace is not None:
            said["ce-traceparent"] = trace
        return said

    @staticmethod
    def _asked(watched: Watched) -> tuple[dict[str, str], bytes] | None:
        """Head and body of a request; None where it may not be told."""
        deployed = watched.endpoint.deployed
        if deployed.redacts:
            if watched.parsed is None:
                return None
            rows = redacted(deployed, watched.parsed, watched.serving.redact_key)
            return {"content-type": "application/json"}, rows
        head = {"content-type": watched.headers.get("content-type") or "application/json"}
        encoding = watched.headers.get("content-encoding")
        if encoding:
            head["content-encoding"] = encoding
        return {**head, **_sized(tuple(watched.headers.items()))}, watched.body


def redacted(deployed: Deployed, parsed: Parsed, key: bytes) -> bytes:
    """The rows of a request as a list of JSON objects, with redacted columns as the hash that records have, too."""
    names = (*deployed.signature.names, *deployed.signature.passthrough)
    hidden = set(deployed.route.redact)
    passes: Sequence[Sequence[Any]] = parsed.passes if parsed.passes is not None else [()] * len(parsed.rows)
    shown = [(c.name, c) for c in deployed.tensors if c.name not in hidden]
    rows = []
    for row, passed in zip(parsed.rows, passes, strict=True):
        cells = dict(zip(names, (*row, *passed), strict=False))
        for name in hidden & cells.keys():
            cells[name] = redact_cell(cells[name], key)
        for name, column in shown:
            cells[name] = outside(cells[name], column) if size(column) <= MOST_ELEMENTS else packed(cells[name])
        rows.append(cells)
    return _json(rows)


def _sized(headers: Sequence[Header]) -> dict[str, str]:
    """What a reader of binary tensors must know: how much of the body is JSON."""
    found = next((value for name, value in headers if name.lower() == "inference-header-content-length"), "")
    return {"inference-header-content-length": found} if found else {}


def _header(text: str) -> str:
    """A value as CloudEvents' HTTP binding has it in a header: percent-encoded where it is not plain ASCII."""
    return (
        text if text.isascii() and text.isprintable() and "%" not in text else quote(text, safe=" !#$&'()*+,-./:;=?@_~")
    )


def _namespace() -> str:
    """Of the pod this runs in; `default` outside any."""
    given = os.environ.get("POD_NAMESPACE")
    if given:
        return given
    try:
        with open(_NAMESPACE, encoding="ascii") as file:
            return file.read(253).strip() or "default"
    except (OSError, UnicodeDecodeError):
        return "default"
