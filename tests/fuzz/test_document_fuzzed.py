"""schemathesis against the live document of a real server: no fault, and every answer is what the document says.

A few examples of each operation in `make test`, many under the `long` marker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.browser import seeing
from tests.browser.served import home, server


def no_fault(ctx: Any, response: Any, case: Any) -> None:
    """No 5xx, but the 501 of what is documented not to be offered."""
    if response.status_code != 501 or "501" not in case.operation.definition.raw["responses"]:
        not_a_server_error(ctx, response, case)


TRUE = [
    no_fault,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(home(tmp_path_factory.mktemp("home"))) as made:
        yield made


def checks_for(case: Any, mode: GenerationMode) -> list[Any]:
    """What must hold of an answer, beyond being true to the document."""
    path = case.operation.path
    checks: list[Any] = [*TRUE]
    if path.startswith("/predict"):
        # Columns of different lengths are right by JSON Schema and wrong by what it cannot say.
        uneven = isinstance(case.body, dict) and "columns" in case.body
        if mode is GenerationMode.POSITIVE and not uneven and case.media_type == "application/json":
            checks.append(positive_data_acceptance)
        elif mode is GenerationMode.NEGATIVE and case.media_type == "application/json":
            checks.append(negative_data_rejection)
    return checks


def fuzz(url: str, mode: GenerationMode, examples: int, wanted: Callable[[str], bool] = lambda path: True) -> int:
    """Every operation with `examples` cases; how many were asked."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    asked = 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            if not wanted(operation.path):
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=examples < 50,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=url, session=session, checks=checks_for(case, mode))

            # An address with nothing to get wrong has no wrong requests.
            with contextlib.suppress(Unsatisfiable):
                ask()
    return asked


def takes_input(path: str) -> bool:
    """Operations with a body or a name in the address; the others cannot be asked wrongly."""
    return path.startswith(("/predict", "/feedback", "/invocations", "/score", "/v1", "/v2/models/", "/v2/repository"))


def once_a_codec(path: str) -> bool:
    """Versions take what their models take; V2's schema of many columns takes seconds to make cases of."""
    return "/versions/" not in path and path != "/v2/models/churn/infer"


def test_right_requests_are_answered_as_documented(url: str) -> None:
    assert fuzz(url, GenerationMode.POSITIVE, 6, once_a_codec) > 100


def test_wrong_requests_are_refused_as_documented(url: str) -> None:
    assert fuzz(url, GenerationMode.NEGATIVE, 6, lambda path: takes_input(path) and once_a_codec(path)) > 80


@pytest.fixture(scope="module")
def seeing_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of models that take tensors."""
    with server(home(tmp_path_factory.mktemp("seeing"), "photos", "digits", "waves"), load=seeing.LOAD) as made:
        yield made


def test_right_tensors_are_answered_as_documented(seeing_url: str) -> None:
    """Of whole numbers without limits: what is within bytes of others no schema can say."""
    wanted = {path.format("photos") for path in ("/predict/{}", "/v1/models/{}:predict", "/v2/models/{}/infer")}
    assert fuzz(seeing_url, GenerationMode.POSITIVE, 8, {*wanted, "/invocations", "/score"}.__contains__) > 30


def test_wrong_tensors_are_refused_as_documented(seeing_url: str) -> None:
    asked = fuzz(seeing_url, GenerationMode.NEGATIVE, 8, lambda path: takes_input(path) and "/versions/" not in path)
    assert asked > 80


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_many_requests_are_answered_as_documented(url: str, mode: GenerationMode) -> None:
    assert fuzz(url, mode, 60, lambda path: takes_input(path) and "/versions/" not in path) > 800
