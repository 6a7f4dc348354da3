"""The form of a model that forecasts, in a real browser: values pasted, a line drawn, the truth sent and recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser.conftest import Tab
from tests.browser.served import server
from tests.conftest import eventually

sys.path.append(str(Path(__file__).parent.parent / "unit" / "serve"))

from riders import deployed, expected, histories, origins

from fairlead.runtime.capture import Records, collect


@pytest.fixture(scope="module")
def riders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("riders")
    deployed(home)
    with server(home, load="fairlead.runtime.bundle:load") as url:
        yield url, home


@pytest.fixture
def page(chromium: Any, riders: tuple[str, Path]) -> Iterator[Any]:
    made = Tab(chromium)
    yield made.page
    made.close(riders[0])


def test_pasted_values_are_forecast_drawn_and_corrected(page: Any, riders: tuple[str, Path]) -> None:
    url, home = riders
    (found,) = histories(1, seed=3)
    at = origins(1)
    page.goto(f"{url}/models/riders")
    page.fill("#f0", "\n".join(f"{value},{warm}" for value, warm in found))
    page.fill("#f1", np.datetime_as_string(at.astype("datetime64[s]")[0]))
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.inner_text("#said") == "Answer: the next 3 values"
    wanted = expected(found[None], at)[0]
    listed = [line.partition(": ") for line in page.inner_text(".steps").split("\n")]
    assert [name for name, _, _ in listed] == ["t+1", "t+2", "t+3"]
    assert [float(value) for _, _, value in listed] == pytest.approx(wanted, rel=1e-5)
    # Four values of the series itself, not of its covariate, and a line that goes on from the last of them.
    points = "e => e.getAttribute('points').split(' ').length"
    assert page.eval_on_selector(".forecast polyline.past", points) == 4
    assert page.eval_on_selector(".forecast polyline.next", points) == 4
    assert "Forecast from" in page.get_attribute(".forecast svg", "aria-label")
    id = page.inner_text("#answer-id")
    page.click("#wrong")
    page.fill("#right", "12.5 - x")
    page.click("#correct button")
    assert "Value 3 is no number" in page.inner_text("#right-error")
    page.fill("#right", "12.5, -, 14")
    page.click("#correct button")
    page.wait_for_selector("#sent >> text=Thank you")

    def recorded() -> list[Any]:
        collect(home)
        rows: list[dict[str, Any]] = Records(home, "riders").joined(None, None).to_pylist()
        return [row for row in rows if row["request"] == id and row["label"]]

    assert eventually(recorded, what="the record with its truth")[0]["label"] == "[12.5,null,14.0]"


def test_an_example_is_filled_in_and_answered(page: Any, riders: tuple[str, Path]) -> None:
    page.goto(f"{riders[0]}/models/riders")
    page.click("#example")
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.locator(".forecast circle").count() == 3
