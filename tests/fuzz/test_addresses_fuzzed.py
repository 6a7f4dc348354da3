"""Addresses, queries, headers and feedback, made up: every request has one answer, which is never a fault."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.browser.served import home

from fairlead.contract.ports import Request
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

CALM = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = st.sampled_from(
    [
        "v2", "v1", "models", "churn", "rides", "none", "infer", "ready", "versions", "1", "99", "health", "live",
        "predict", "feedback", "invocations", "score", "metrics", "docs", "assets", "site.css", "openapi.json",
        "contents", "repository", "index", "load", "unload", "ping", "endpoints", "grpc:", "churn:predict",
        "churn:explain", "..", ".", "", "%2e%2e", "%2F", "%00", "%zz", "%ff", "ü", "churn%20", "{version}",
    ]
)  # fmt: skip
PATHS = st.one_of(
    st.lists(WORDS, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.lists(WORDS, max_size=4).map("/".join),
    st.text(max_size=30),
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", ""])
VALUES = st.one_of(st.text(max_size=20), st.sampled_from(["application/json", "gzip", "text/html", "*/*", "-1", "1e9"]))
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content-type", "accept", "content-encoding", "x-request-id", "if-none-match", "host", "authorization",
            "x-api-key", "inference-header-content-length", "traceparent", "content-length", "timeout-ms",
        ]
    ),
    VALUES,
    max_size=4,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(st.binary(max_size=40), JSON.map(lambda value: json.dumps(value).encode()))
CODES = {200, 304, 400, 401, 404, 405, 413, 415, 422, 501}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    root = home(tmp_path_factory.mktemp("home"))
    made = open_plane(
        0, {"home": str(root), "run": str(root / "run"), "instance": "t", "load": "tests.browser.served:load"}
    )
    yield made
    made.close()


def ask(plane: DataPlane, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """Code and body, read as what it says it is."""
    got: list[tuple[int, dict[str, str], bytes]] = []

    def reply(code: int, said: Sequence[tuple[str, str]], told: bytes) -> None:
        got.append((code, dict(said), told))

    plane.answer([Request(method, path, query, headers, body, time.time(), reply)])
    ((code, said, told),) = got
    assert code in CODES
    assert all(name.isascii() and value.isprintable() for name, value in said.items())
    assert said["x-request-id"]
    if code == 405:
        assert said["allow"] in {"GET", "POST"}
    if said["content-type"] == "application/json" and told.strip():
        return code, json.loads(told)
    return code, told


@CALM
@given(METHODS, PATHS, st.text(max_size=20), HEADERS, BODIES)
@example("POST", "/predict/churn", "", {}, b"\xff")
@example("GET", "/v2/models/%ff", "", {}, b"")
@example("GET", "/models/%ff", "", {"accept": "text/html"}, b"")
def test_any_request_has_one_answer(
    plane: DataPlane, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    ask(plane, method, path, query, headers, body)


CELL = st.one_of(
    JSON,
    st.sampled_from(["Yes", "No", True, 0, 1.0, "r1", "2020-01-01", -1, 1 << 31, 1 << 70, 10**130, "x" * 5000]),
)
ITEM = st.dictionaries(
    st.sampled_from(
        ["model", "request", "request_id", "row", "key", "time", "label", "value", "comment", "definition"]
    ),
    CELL,
    max_size=6,
)


@CALM
@given(
    st.sampled_from(["/feedback", "/feedback/churn", "/feedback/rides"]), st.one_of(ITEM, st.lists(ITEM, max_size=4))
)
@example("/feedback/churn", {"request": "r", "label": "Yes", "row": True})
@example("/feedback/rides", [{"key": 10**130, "label": 1}, {"key": 1, "label": 10**400}])
def test_any_feedback_is_written_or_its_fault_is_named(plane: DataPlane, path: str, items: Any) -> None:
    code, said = ask(plane, "POST", path, "", {"content-type": "application/json"}, json.dumps(items).encode())
    listed = items if isinstance(items, list) else [items]
    if code == 200:
        named = [one["item"] for one in said["rejected"]]
        assert said["accepted"] + len(named) == len(listed)
        assert named == sorted(set(named))
        assert all(one["reason"] for one in said["rejected"])
    else:
        # A model in the address that is not there, or a number that JSON has and nobody can hold.
        assert code in {400, 404}
        assert said["error"]
