"""The documentation and the door of a server that asks for keys, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.browser.conftest import Tab
from tests.browser.served import KEY, SECRET, home, server

from fairlead.runtime.serve.access import hash_of


def test_what_the_documentation_says_to_type_works(tab: Tab, served: tuple[str, Path]) -> None:
    page = tab.page
    page.goto(f"{served[0]}/docs")
    assert page.inner_text("h1") == "Models served here"
    assert [one.inner_text() for one in page.query_selector_all("details.model h2")] == ["churn", "rides", "species"]
    shown = page.inner_text("details.model >> nth=0")
    for words in ("whole number", "from 0; training saw 0 to 72", "others are answered, too", "basic, pro; no others"):
        assert words in shown
    code = page.inner_text("details.model >> nth=0 >> pre >> nth=1")
    answered: dict[str, Any] = {"httpx": httpx}
    lines = [line for line in code.splitlines() if not line.startswith(("import", "print"))]
    exec("\n".join(lines), answered)
    assert answered["answer"]["predictions"][0]["label"] in {"No", "Yes"}
    page.click("text=Try rides in a form")
    assert page.inner_text("h1") == "rides"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_the_documentation_reads_without_a_script(chromium: Any, served: tuple[str, Path]) -> None:
    made = Tab(chromium, java_script_enabled=False)
    made.page.goto(f"{served[0]}/docs")
    assert "Try churn in a form" in made.page.inner_text("main")
    made.close(served[0])


def test_people_get_a_page_where_programs_get_a_word(tab: Tab, served: tuple[str, Path]) -> None:
    tab.page.goto(served[0])
    assert tab.page.inner_text("h1") == "Models served here"
    said = httpx.get(served[0])
    assert said.status_code == 200
    assert said.json()["docs"] == "/docs"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers only who has SECRET."""
    key = msgspec.structs.replace(KEY, hash=hash_of(SECRET))
    with server(home(tmp_path_factory.mktemp("guarded"), keys=(key,)), required=True) as url:
        yield url


def test_nothing_is_told_of_models_before_the_key(guarded: str) -> None:
    for path in ("/docs", "/models/churn", "/models/none", "/", "/assets/form.js"):
        said = httpx.get(guarded + path, headers={"accept": "text/html"})
        assert said.status_code == 200, path
        assert "churn" not in said.text
    for path in ("/openapi.json", "/docs/contents", "/models/churn/contents"):
        assert httpx.get(guarded + path).status_code == 401, path


def test_the_form_of_a_guarded_model_asks_for_the_key_and_forgets_it(chromium: Any, guarded: str) -> None:
    made = Tab(chromium)
    made.expected.add("401 (Unauthorized)")
    page = made.page
    page.goto(f"{guarded}/docs")
    page.keyboard.press("Tab")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#door-problem:not([hidden])")
    assert "not known" in page.inner_text("#door-problem")
    page.fill("#key", SECRET)
    page.keyboard.press("Enter")
    page.wait_for_selector("details.model")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.click("text=Try rides in a form")
    page.wait_for_selector("#ask")
    assert page.url == f"{guarded}/models/rides"
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.title() == "rides · Fairlead"
    page.click("#example")
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    page.click("#wrong")
    page.fill("#right", "3")
    page.click("#correct button")
    page.wait_for_selector("#sent >> text=Thank you")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert json.loads(kept) == [{}, {}, ""]
    assert SECRET not in page.content()
    page.reload()
    assert page.is_visible("#door")
    made.close(guarded)


def test_what_a_guarded_server_is_documented_to_take(guarded: str) -> None:
    said = httpx.get(f"{guarded}/openapi.json", headers={"x-api-key": SECRET}).json()
    assert set(said["components"]["securitySchemes"]) == {"bearer", "key"}
    assert {"401", "403", "429"} <= set(said["paths"]["/predict/churn"]["post"]["responses"])
