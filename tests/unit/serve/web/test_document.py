"""The OpenAPI document: valid, complete, and true to what the server takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.browser.served import CHURN, home

from fairlead.contract.errors import FairleadError
from fairlead.contract.ports import Request
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.neighbours import Neighbours
from fairlead.runtime.serve.pages import Pages
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.web import neighbouring, openapi
from fairlead.runtime.serve.web.addresses import FIXED, NAMED, SITE
from fairlead.runtime.serve.web.columns import Field, example_of, schema_of, words_of
from fairlead.runtime.serve.web.openapi import Writer, endpoints_of
from fairlead.runtime.serve.worker import open_plane
from fairlead.runtime.wire.checks import Checks


class Said:
    """One answer of a plane."""

    def __init__(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.code, self.headers, self.body = code, headers, body


def ask(plane: DataPlane, method: str, path: str, body: bytes = b"", **headers: str) -> Said:
    got: list[Said] = []
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(code: int, told: Sequence[tuple[str, str]], body: bytes) -> None:
        got.append(Said(code, dict(told), body))

    plane.answer([Request(method, path, "", named, body, time.time(), reply)])
    (said,) = got
    return said


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    root = home(tmp_path_factory.mktemp("home"))
    made = open_plane(
        0, {"home": str(root), "run": str(root / "run"), "instance": "t", "load": "tests.browser.served:load"}
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(plane: DataPlane) -> dict[str, Any]:
    said = ask(plane, "GET", "/openapi.json")
    assert said.code == 200
    found: dict[str, Any] = json.loads(said.body)
    return found


def serving_of(plane: DataPlane) -> Serving:
    return plane._serving


def pages_of(plane: DataPlane) -> Pages:
    return plane._pages


@pytest.mark.parametrize("secured", [False, True])
def test_it_is_valid_openapi(plane: DataPlane, secured: bool) -> None:
    made = Writer({"/metrics", *FIXED}, "1").document(serving_of(plane), secured=secured)
    schemathesis.openapi.from_dict(msgspec.json.decode(msgspec.json.encode(made))).validate()
    for name, schema in made["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(msgspec.to_builtins(schema)), name
    ids = [one["operationId"] for path in made["paths"].values() for way, one in path.items() if way != "parameters"]
    assert len(set(ids)) == len(ids)


def test_every_address_that_is_served_is_documented(plane: DataPlane, document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert {path for path, _ in endpoints_of(serving_of(plane))} <= set(paths)
    assert not [path for path in serving_of(plane).endpoints if not path.startswith(("/", "grpc:"))]
    assert set(pages_of(plane)._fixed) | {"/metrics"} <= {*FIXED, *neighbouring.FIXED}, "a page without its words"
    assert set(pages_of(plane)._fixed) | {"/metrics"} <= set(paths)
    assert {*SITE, *NAMED, *neighbouring.ALWAYS, *neighbouring.NAMED} <= set(paths)
    assert {"/feedback", "/feedback/churn", "/feedback/rides", "/feedback/species"} <= set(paths)


def test_every_address_that_is_documented_is_served(plane: DataPlane, document: dict[str, Any]) -> None:
    for template, ways in document["paths"].items():
        path = template.replace("{model}", "churn").replace("{version}", "1")
        for method, operation in ways.items():
            if method == "parameters":
                continue
            said = ask(plane, method.upper(), path, b"{}")
            assert str(said.code) in operation["responses"], (method, path, said.code, said.body)
            assert said.code not in {404, 405}, (method, path)
            other = ask(plane, "DELETE", path)
            assert other.code in {404, 405, 501}, path


def test_its_examples_are_answered(plane: DataPlane, document: dict[str, Any]) -> None:
    asked = 0
    for path, ways in document["paths"].items():
        content = ways.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            said = ask(plane, "POST", path, json.dumps(example["value"]).encode(), content_type="application/json")
            assert said.code == 200, (path, said.body)
            schema = ways["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            whole = {**schema, "components": document["components"]}
            jsonschema_rs.validate(whole, json.loads(said.body))
            asked += 1
    assert asked > 20


def test_a_platforms_probe_and_a_sleeping_model_are_told(plane: DataPlane) -> None:
    serving = serving_of(plane)
    routes = Routes(2, (*serving.routes.routes, Route("far", (Variant("champion", "f" * 64, 1),))))
    more = Serving(routes, list(serving.deployed.values()), plane._counters, asleep={"far": routes.routes[-1]})
    made = Writer({*Neighbours(probes=("/my/health",)).fixed}, "1").document(more, secured=False)
    assert "404" in made["paths"]["/my/health"]["get"]["responses"]
    assert "/models/far/openapi.json" in made["paths"]["/predict/far"]["post"]["description"]
    schemathesis.openapi.from_dict(msgspec.json.decode(msgspec.json.encode(made))).validate()


def test_a_model_has_a_document_of_its_own(plane: DataPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ask(plane, "GET", "/models/rides/openapi.json")
    made = json.loads(said.body)
    schemathesis.openapi.from_dict(made).validate()
    own = {path for path, one in endpoints_of(serving_of(plane)) if one.deployed.route.model == "rides"}
    assert own <= set(made["paths"])
    assert "/predict/churn" not in made["paths"]
    assert ask(plane, "GET", "/models/none/openapi.json").code == 404
    monkeypatch.setattr(openapi, "MOST_TYPED", 1)
    few = Writer((), "1").document(serving_of(plane), secured=False)
    assert "churn.row" in few["components"]["schemas"]
    assert "rides.row" not in few["components"]["schemas"]
    assert "/models/rides/openapi.json" in few["paths"]["/predict/rides"]["post"]["description"]


def test_it_is_made_once_a_generation(plane: DataPlane) -> None:
    first = ask(plane, "GET", "/openapi.json")
    again = ask(plane, "GET", "/openapi.json")
    assert first.body is again.body
    unchanged = ask(plane, "GET", "/openapi.json", if_none_match=first.headers["etag"])
    assert (unchanged.code, unchanged.body) == (304, b"")
    old = serving_of(plane)
    plane.swap(Serving(old.routes, [], plane._counters))
    try:
        other = json.loads(ask(plane, "GET", "/openapi.json").body)
        assert "/predict/churn" not in other["paths"]
    finally:
        plane.swap(old)
    assert ask(plane, "GET", "/openapi.json").body == first.body


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 62), 1 << 62),
    st.sampled_from([0, 1, 2, -1, 1000, 1001, 1 << 53, (1 << 53) + 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-3, 3).map(lambda x: round(x, 1)),
    st.text(max_size=8),
    st.sampled_from(["1", "01", "-0", "-7", "9" * 19, "9" * 20, "true", "false", "True", "a", "b", ""]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)
COLUMNS = st.builds(
    Column,
    st.just("x"),
    st.sampled_from(["number", "integer", "boolean", "category", "text"]),
    nullable=st.booleans(),
    minimum=st.sampled_from([None, 0.0, -1.5]),
    maximum=st.sampled_from([None, 1000.0, 2.5]),
    categories=st.just(()),
)
CODED = st.builds(
    Column,
    st.just("x"),
    st.just("category"),
    nullable=st.booleans(),
    coded=st.sampled_from(["text", "integer", "boolean"]),
    categories=st.sampled_from([(), ("1", "2"), ("false", "true")]),
)


def _fits(column: Column) -> Column:
    """Limits are those of numbers; codes are of their kind."""
    if column.kind not in {"number", "integer"}:
        column = msgspec.structs.replace(column, minimum=None, maximum=None)
    wrong = (column.coded == "integer" and "true" in column.categories) or (
        column.coded == "boolean" and "1" in column.categories
    )
    return msgspec.structs.replace(column, categories=()) if wrong else column


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(COLUMNS, CODED).map(_fits), CELLS)
def test_a_cell_is_valid_by_its_schema_exactly_where_it_is_taken(column: Column, cell: Any) -> None:
    signature = Signature(task="regression", columns=(column,))
    try:
        Checks(signature).rows([{"x": cell}])
        taken = True
    except FairleadError:
        taken = False
    # JSON says 1e300 and 10**300 alike, so whole floats beyond 2^53 as codes are beside the point.
    beside = isinstance(cell, float) and cell.is_integer() and abs(cell) >= 1 << 53 and column.coded == "integer"
    schema = schema_of(Field(column, required=not column.nullable))
    assert jsonschema_rs.is_valid(schema, cell) == taken or beside, (schema, cell)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(COLUMNS, CODED).map(_fits),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
    st.booleans(),
)
def test_an_example_is_taken(column: Column, low: float, span: float, seen: bool) -> None:
    if seen and column.kind in {"number", "integer"}:
        column = msgspec.structs.replace(column, low=low, high=low + span)
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        return
    if column.kind == "integer" and column.minimum == -1.5:
        column = msgspec.structs.replace(column, minimum=-1.0)
    if column.kind == "integer" and column.maximum == 2.5:
        column = msgspec.structs.replace(column, maximum=2.0)
    field = Field(column, required=not column.nullable)
    Checks(Signature(task="regression", columns=(column,))).rows([{"x": example_of(field)}])
    assert words_of(field)


def test_ranges_categories_and_what_is_passed_on_are_told(document: dict[str, Any]) -> None:
    row = document["components"]["schemas"]["churn.row"]
    assert row["required"] == list(CHURN.names)
    cells = row["properties"]
    assert cells["tenure"]["type"] == "integer"
    assert cells["tenure"]["minimum"] == 0
    assert (cells["monthly charges"]["type"], cells["monthly charges"]["maximum"]) == (["number", "null"], 1000)
    assert "Training saw 18.25 to 118.75." in cells["monthly charges"]["description"]
    assert cells["plan"]["enum"] == ["basic", "pro"]
    assert cells["contract"]["anyOf"][1] == {"type": "string"}
    assert {"type": "string", "format": "date-time"} in cells["since"]["anyOf"]
    assert {"customer", "at"} <= set(cells) - set(row["required"])
