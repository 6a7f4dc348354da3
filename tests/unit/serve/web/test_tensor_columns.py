"""Columns of tensors as people and programs are told of them: true to what is taken, and short whatever their size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.browser.seeing import LOAD, SIGNATURES, tensor
from tests.browser.served import home
from tests.unit.serve.web.test_document import ask

from fairlead.contract.errors import FairleadError
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.web import tensor_columns
from fairlead.runtime.serve.web.columns import Field, example_of, schema_of, words_of
from fairlead.runtime.serve.web.tensor_form import field_of
from fairlead.runtime.serve.worker import open_plane
from fairlead.runtime.wire.checks import Checks


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    root = home(tmp_path_factory.mktemp("home"), *SIGNATURES)
    made = open_plane(0, {"home": str(root), "run": str(root / "run"), "instance": "t", "load": LOAD})
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(plane: DataPlane) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(plane, "GET", "/openapi.json").body)
    return found


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((8, 9), (8, 9, 1, False)),
        ((8, 9, 1), (8, 9, 1, False)),
        ((8, 9, 3), (8, 9, 3, False)),
        ((1, 8, 9), (8, 9, 1, True)),
        ((3, 8, 9), (8, 9, 3, True)),
        ((3, 8, 3), (3, 8, 3, False)),
        ((8, 9, 4), None),
        ((8,), None),
        ((2, 8, 9, 3), None),
        ((1, 500), None),
        ((4000, 2, 1), None),
    ],
)
def test_the_shape_says_whether_it_is_an_image(shape: tuple[int, ...], picture: tuple[Any, ...] | None) -> None:
    assert tensor_columns.picture_of(tensor("x", "uint8", shape, 0, 255)) == picture


@pytest.mark.parametrize(
    ("dtype", "low", "high", "limits", "scale"),
    [
        ("float64", 0.0, 16.0, (None, None), (0, 16)),
        ("uint8", 3.0, 250.0, (None, None), (0, 255)),
        ("uint8", 0.0, 16.0, (None, None), (0, 16)),
        ("float32", 0.0, 0.996, (None, None), (0, 1)),
        ("float32", -0.98, 1.0, (None, None), (-1, 1)),
        ("float32", 2.0, 254.0, (None, None), (0, 255)),
        ("float32", -2.1, 2.6, (None, None), (-2.1, 2.6)),
        ("float32", 0.2, 0.7, (0.0, 1.0), (0, 1)),
        ("uint8", None, None, (None, None), (0, 255)),
        ("int8", None, None, (None, None), (0, 127)),
        ("float16", 5.0, 5.0, (None, None), (0, 1)),
    ],
)
def test_black_and_white_are_the_ends_of_the_scale(
    dtype: str, low: Any, high: Any, limits: tuple[Any, Any], scale: tuple[float, float]
) -> None:
    column = tensor("x", dtype, (4, 4), low, high, minimum=limits[0], maximum=limits[1])
    assert tensor_columns.scale_of(column) == scale


DTYPES = st.sampled_from(sorted(tensor_cells.DTYPES))
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    dtype = draw(DTYPES)
    low = draw(st.sampled_from([None, -3.0, 0.0, 0.01]))
    high = None if low is None else low + draw(st.sampled_from([0.0, 0.5, 16.0, 100.0]))
    if dtype.startswith("u") and low is not None and high is not None:
        low, high = max(0.0, low), max(0.0, high)
    minimum, maximum = draw(st.sampled_from([(None, None), (0.0, None), (None, 90.0), (1.0, 20.0)]))
    return tensor("x", dtype, draw(SHAPES), low, high, minimum=minimum, maximum=maximum)  # type: ignore[arg-type]


def taken(column: Column, cell: Any) -> bool:
    try:
        Checks(Signature(task="regression", columns=(column,))).rows([{"x": cell}])
    except FairleadError:
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(columns())
def test_examples_are_taken_and_fit_their_schema(column: Column) -> None:
    field = Field(column, required=True)
    example = example_of(field)
    schema = schema_of(field)
    assert jsonschema_rs.meta.is_valid(schema)
    assert words_of(field).endswith("Must be given.")
    if tensor_cells.length(column) > tensor_columns.MOST_EXAMPLE_BYTES:
        assert example is None
        assert "examples" not in schema
        return
    assert taken(column, example)
    assert jsonschema_rs.is_valid(schema, example)


ELEMENTS = st.one_of(
    st.integers(-300, 300),
    st.sampled_from(
        [
            0,
            1,
            1.0,
            2.5,
            -0.0,
            1 << 63,
            1 << 64,
            -(10**30),
            127,
            128,
            255,
            256,
            65535,
            65536,
            1 << 31,
            70000.0,
            1e300,
            1e39,
            True,
            "1",
        ]
    ),
    st.none(),
)


@st.composite
def cells(draw: st.DrawFn, column: Column) -> Any:
    """Lists of the right or nearly the right shape, bytes of the right or another length."""
    shape = list(draw(st.sampled_from([column.shape, (tensor_cells.size(column),), (*column.shape, 1), (2,), (2, 2)])))
    if draw(st.integers(0, 4)) == 0:
        held = draw(st.sampled_from([tensor_cells.length(column), tensor_cells.length(column) + 1]))
        return {"b64": base64.b64encode(bytes(held)).decode()}
    odd = draw(ELEMENTS)
    made = np.full(shape, 7, object)
    made.flat[draw(st.integers(0, made.size - 1))] = odd
    return made.tolist()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_cell_is_valid_by_its_schema_exactly_where_it_is_taken(data: st.DataObject) -> None:
    column = data.draw(columns())
    cell = data.draw(cells(column))
    schema = schema_of(Field(column, required=True))
    # What is in bytes no schema can say.
    beside = isinstance(cell, dict) and (column.minimum or 0) > 0
    assert jsonschema_rs.is_valid(schema, cell) == taken(column, cell) or beside, (schema, cell)


def test_the_document_is_valid_and_its_examples_are_answered(plane: DataPlane, document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    asked = set()
    for path, ways in document["paths"].items():
        content = ways.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            body = json.dumps(example["value"]).encode()
            said = ask(plane, "POST", path, body, content_type="application/json")
            assert said.code == 200, (path, said.body)
            schema = content["schema"] | {"components": document["components"]}
            assert jsonschema_rs.is_valid(schema, example["value"]), (path, name)
            asked.add(path)
    assert {"/predict/digits", "/v2/models/digits/infer", "/v1/models/photos:predict"} <= asked
    assert "/predict/scans" not in asked


def test_a_large_tensor_does_not_make_a_large_document(plane: DataPlane, document: dict[str, Any]) -> None:
    own = ask(plane, "GET", "/models/scans/openapi.json").body
    assert len(own) < 60_000
    assert b"150528 bytes of its elements: uint8" in own
    longest = max(len(msgspec.json.encode(schema)) for schema in document["components"]["schemas"].values())
    assert longest < 20_000
    page = ask(plane, "GET", "/docs").body.decode()
    assert len(page) < 60_000
    assert "bytes(150528)" in page
    assert "row.json" in page


def test_shapes_and_datatypes_are_told(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    nested, flat, packed = schemas["photos.row"]["properties"]["photo"]["oneOf"]
    assert (nested["minItems"], nested["items"]["maxItems"], nested["items"]["items"]["minItems"]) == (4, 6, 3)
    assert nested["items"]["items"]["items"] == {"type": "integer", "minimum": 0, "maximum": 255}
    assert flat["minItems"] == flat["maxItems"] == 72
    assert packed["properties"]["b64"]["minLength"] == 96
    told = schemas["photos.row"]["properties"]["photo"]["description"]
    assert told.startswith("An image of 6 by 4 pixels, in colour: uint8 [4, 6, 3] as nested lists")
    (inputs,) = [
        one for one in schemas["digits.v2.request"]["properties"]["inputs"]["items"]["anyOf"]
        if one["properties"]["name"] == {"const": "pixels"}
    ]  # fmt: skip
    for shape, fits in (([1, 8, 8], True), ([5, 64], True), ([1, 8], False), ([1, 8, 8, 1], False), ([64], False)):
        assert jsonschema_rs.is_valid(inputs["properties"]["shape"], shape) is fits, shape


@pytest.mark.parametrize("model", sorted(SIGNATURES))
def test_fields_are_labelled_and_described(plane: DataPlane, model: str) -> None:
    text = ask(plane, "GET", f"/models/{model}").body.decode()
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(set(ids)) == len(ids)
    for control in re.findall(r"<(?:input|textarea)[^>]*>", text):
        described = re.search(r'aria-describedby="([^"]*)"', control)
        if described:
            assert set(described[1].split()) <= {*ids}, control
    for label in re.findall(r'<label for="([^"]*)"', text):
        assert label in ids
    assert not re.search(r"<[^>]*\s(on\w+|style)=", text)


def test_names_are_text_whatever_is_in_them() -> None:
    evil = "\"><script>alert(1)</script>'`&"
    for shape in ((8, 8), (5,)):
        made = field_of(Field(tensor(evil, "uint8", shape, 0, 255), required=True), "f0", evil)
        assert "<script>" not in made
        assert not re.search(r'="[^"]*"[^\s>/][^>]*>', made), "an attribute that was broken out of"
