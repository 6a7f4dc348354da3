"""What pages and the OpenAPI document say of a model that forecasts: valid, and true to what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from tests.unit.serve.web.test_document import ask

sys.path.append(str(Path(__file__).parent.parent))

from pictures import plane as opened
from riders import deployed, histories, origins, rows

from fairlead.contract.signature import Column
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.web import tensor_columns
from fairlead.runtime.serve.web.forecast_form import step_in_words


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    home = tmp_path_factory.mktemp("riders")
    deployed(home)
    with opened(home) as made:
        yield made


@pytest.fixture(scope="module")
def document(plane: DataPlane) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(plane, "GET", "/openapi.json").body)
    return found


def test_the_document_is_valid_and_its_examples_are_answered_as_it_says(
    plane: DataPlane, document: dict[str, Any]
) -> None:
    schemathesis.openapi.from_dict(document).validate()
    asked = 0
    for path, ways in document["paths"].items():
        content = ways.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            said = ask(plane, "POST", path, json.dumps(example["value"]).encode(), content_type="application/json")
            assert said.code == 200, (path, said.body)
            schema = ways["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            jsonschema_rs.validate({**schema, "components": document["components"]}, json.loads(said.body))
            asked += 1
    assert asked > 8


@pytest.mark.parametrize(
    ("label", "fits"),
    [([1.0, None, 2], True), ([1], True), (None, True), (1.0, False), ([], False), ([1, 2, 3, 4], False)],
)
def test_a_truth_is_described_as_it_is_taken(document: dict[str, Any], label: Any, fits: bool) -> None:
    schema = {**document["components"]["schemas"]["riders.feedback"], "components": document["components"]}
    item = {"request": "r1", "label": label, "comment": "said"}
    assert jsonschema_rs.is_valid(schema, item) is fits


def test_of_one_series_a_time_is_enough(tmp_path: Path, document: dict[str, Any]) -> None:
    deployed(tmp_path, alone=True)
    with opened(tmp_path) as made:
        told = json.loads(ask(made, "GET", "/openapi.json").body)
    item = {"time": 0.0, "label": [1.0]}
    for one, fits in ((told, True), (document, False)):
        for name in ("riders.feedback", "Feedback"):
            schema = {**one["components"]["schemas"][name], "components": one["components"]}
            assert jsonschema_rs.is_valid(schema, item) is fits
            assert jsonschema_rs.is_valid(schema, {**item, "key": "a"})


def test_rows_are_described_as_they_are_taken(document: dict[str, Any]) -> None:
    (row,) = rows(histories(1), origins(1))
    schema = {**document["components"]["schemas"]["riders.row"], "components": document["components"]}
    jsonschema_rs.validate(schema, row)
    assert not jsonschema_rs.is_valid(schema, {**row, "history": [[1.0, 2.0]] * 3})
    assert not jsonschema_rs.is_valid(schema, {**row, "origin": None})


def test_a_history_is_no_image_and_the_pages_say_what_it_is(plane: DataPlane) -> None:
    form = ask(plane, "GET", "/models/riders", accept="text/html").body.decode()
    assert "The newest 4 values of the series, oldest first, each followed by its covariate" in form
    assert "3 values, one every hour" in form
    assert 'data-steps="3"' in form
    assert "A date and time, in UTC, of the newest value." in form
    assert "canvas" not in form
    docs = ask(plane, "GET", "/docs", accept="text/html").body.decode()
    assert "Forecasts <code>riders</code>: 3 values, one every hour" in docs
    assert "<code>t+1</code>, <code>t+2</code>, <code>t+3</code>" in docs
    assert ask(plane, "GET", "/assets/forecast.js").code == 200
    long = Column("history", "tensor", nullable=False, dtype="float64", shape=(168, 3))
    assert tensor_columns.picture_of(long) is None
    assert tensor_columns.kind_in_words(long).endswith("each followed by its 2 covariates")


def test_steps_are_told_in_words() -> None:
    said = [step_in_words(step) for step in (60.0, 3600.0, 7200.0, 86_400.0, 604_800.0, 90.0, 2_629_746.0)]
    assert said == ["minute", "hour", "2 hours", "day", "week", "90 seconds", "month"]
