"""The form of a model in a real browser: by keyboard alone, with what assistive technology is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Tab
from tests.browser.served import CHURN
from tests.conftest import eventually

from fairlead.runtime.capture import Records, collect


def focused(page: Any) -> str:
    """Id of the focused element, or its text where it has none."""
    said: str = page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
    return said


def tab_to(page: Any, wanted: str, most: int = 60) -> None:
    """Press Tab until `wanted` has the focus; always visibly."""
    for _ in range(most):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", focused(page)
        if focused(page) == wanted:
            return
    raise AssertionError(f"{wanted} was not reached by {most} steps; now at {focused(page)}")


def test_ask_and_correct_by_keyboard_alone(tab: Tab, served: tuple[str, Path]) -> None:
    url, root = served
    page = tab.page
    page.goto(f"{url}/models/churn")
    keys = page.keyboard
    tab_to(page, "f0")
    keys.type("12")
    tab_to(page, "f1")
    keys.type("80.5")
    tab_to(page, "f2")
    keys.type("One year")  # a list takes letters
    tab_to(page, "f3")
    keys.type("2")
    tab_to(page, "f6")
    keys.type("City 07")
    tab_to(page, "f7")
    keys.type("pro")
    tab_to(page, "Optional: not looked at by the model")
    keys.press("Enter")
    tab_to(page, "f10")
    keys.type("customer-1")
    tab_to(page, "Predict")
    keys.press("Enter")
    page.wait_for_selector("#answer:not([hidden])")
    assert focused(page) == "said"
    assert re.fullmatch(r"Answer: (No|Yes)", page.inner_text("#said"))
    shown = page.inner_text("#shares")
    assert "No" in shown
    assert "Yes" in shown
    assert "%" in shown
    id = page.inner_text("#answer-id")

    tab_to(page, "wrong")
    keys.press("Enter")
    assert focused(page) == "correct-title"
    assert page.get_attribute("#wrong", "aria-expanded") == "true"
    keys.press("Tab")
    keys.press("ArrowDown")  # the second class
    tab_to(page, "words")
    keys.type("They left in May.")
    tab_to(page, "Send")
    keys.press("Enter")
    page.wait_for_selector("#sent >> text=Thank you")

    def joined() -> list[dict[str, Any]]:
        collect(root)
        rows: list[dict[str, Any]] = Records(root, "churn").joined(None, None).to_pylist()
        return [row for row in rows if id in row.values()]

    record = eventually(joined, what="the record with its label")[0]
    assert (record["label"], record["comment"]) == ("Yes", "They left in May.")
    assert (record["in.tenure"], record["in.contract"], record["in.zone"]) == (12.0, "One year", "2")
    assert record["in.paperless"] is None
    assert "customer-1" in record.values()


def test_what_is_wrong_is_said_at_its_field_and_in_a_summary(tab: Tab, served: tuple[str, Path]) -> None:
    page = tab.page
    page.goto(f"{served[0]}/models/churn")
    page.fill("#f0", "2,5")
    page.fill("#f1", "1001")
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert focused(page) == "problems"
    assert page.get_attribute("#problems", "role") == "alert"
    listed = page.inner_text("#problems")
    assert "There are 4 problems" in listed
    assert page.inner_text("#f0-error") == "Write a number with a point, as 3.5."
    assert page.inner_text("#f1-error") == "Must be 1000 or less."
    assert page.inner_text("#f7-error") == "Must be given."
    assert page.get_attribute("#f0", "aria-invalid") == "true"
    assert "f0-error" in page.get_attribute("#f0", "aria-describedby")
    assert page.get_attribute("#f2", "aria-invalid") is None
    page.click("#problems a >> nth=1")
    assert focused(page) == "f1"


def test_what_only_the_server_knows_is_wrong_is_said_at_its_field(tab: Tab, served: tuple[str, Path]) -> None:
    tab.expected.add("400 (Bad Request)")  # the browser's own line about a reply that is no success
    page = tab.page
    page.goto(f"{served[0]}/models/churn")
    page.click("#example")
    page.select_option("#f3", "+")
    assert page.evaluate("document.activeElement.className") == "other"
    page.keyboard.type("north")
    page.click("button >> text=Predict")
    page.wait_for_selector("#f3-error:not([hidden])")
    assert page.inner_text("#f3-error") == "Found text, allowed: an integer."
    assert page.inner_text("#problems a") == "zone: Found text, allowed: an integer."
    page.click("#problems a")
    assert page.evaluate("document.activeElement.className") == "other"


def test_values_that_training_never_saw_and_names_with_quotes_go_through(tab: Tab, served: tuple[str, Path]) -> None:
    page = tab.page
    page.goto(f"{served[0]}/models/churn")
    page.click("#example")
    page.select_option("#f2", "+")
    page.keyboard.type("Ten years")
    page.fill("#f6", "A city nobody knows")
    page.fill("#f9", "words with \"quotes\", 'others' and <b>marks</b>")
    with page.expect_request("**/predict/churn") as sent:
        page.click("button >> text=Predict")
    row = sent.value.post_data_json
    assert (row["contract"], row["zone"], row["partner"]) == ("Ten years", "1", False)
    assert row["it's a note"].endswith("<b>marks</b>")
    assert set(row) == set(CHURN.names)
    page.wait_for_selector("#answer:not([hidden])")
    page.fill("#f0", "13")
    assert page.is_visible("#stale")
    page.click("button >> text=Clear")
    assert page.is_hidden("#answer")
    assert page.input_value("#f0") == ""


def test_a_number_is_answered_and_corrected(tab: Tab, served: tuple[str, Path]) -> None:
    page = tab.page
    page.goto(f"{served[0]}/models/rides")
    page.click("#example")
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    assert re.fullmatch(r"Answer: -?[\d.]+", page.inner_text("#said"))
    page.click("#wrong")
    page.click("#correct button")
    assert "Give the right answer" in page.inner_text("#correct-problem")
    page.fill("#right", "many")
    page.click("#correct button")
    assert page.inner_text("#right-error") == "Write a number in digits, as 3.5."
    page.fill("#right", "120.5")
    with page.expect_request("**/feedback/rides") as sent:
        page.click("#correct button")
    assert sent.value.post_data_json == {"request": page.inner_text("#answer-id"), "row": 0, "label": 120.5}
    page.wait_for_selector("#sent >> text=Thank you")


def test_a_server_that_went_away_is_said(tab: Tab, served: tuple[str, Path]) -> None:
    tab.expected.add("ERR_INTERNET_DISCONNECTED")
    page = tab.page
    page.goto(f"{served[0]}/models/rides")
    page.click("#example")
    tab.context.set_offline(True)
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert "could not be reached" in page.inner_text("#problems")
    assert page.input_value("#f1") != "", "what was filled in is still there"


UNNAMED = """
() => [...document.querySelectorAll('a,button,input,select,textarea,summary')]
  .filter(e => e.checkVisibility() && !e.computedName && !(e.labels && e.labels.length) && !e.getAttribute('aria-label')
    && !e.textContent.trim() && !e.closest('[aria-label]'))
  .map(e => e.outerHTML)
"""
CONTRAST = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!(own || e.matches('input,select,textarea')) || !e.checkVisibility() || e.tagName === 'OPTION') continue;
    const [one, two] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (one + .05) / (two + .05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
  }
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_state_is_readable(chromium: Any, served: tuple[str, Path], scheme: str, width: int) -> None:
    made = Tab(chromium, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = made.page

    def fine() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("[...document.querySelectorAll('[tabindex]')].every(e => e.tabIndex <= 0)")
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.evaluate("document.querySelectorAll('h1').length") == 1

    page.goto(f"{served[0]}/docs")
    fine()
    page.goto(f"{served[0]}/models/churn")
    fine()
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    fine()
    page.click("#example")
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    page.click("#wrong")
    fine()
    made.close(served[0])


def test_assistive_technology_is_told_what_everything_is(tab: Tab, served: tuple[str, Path]) -> None:
    page = tab.page
    page.goto(f"{served[0]}/models/churn")
    tree = page.locator("main").aria_snapshot()
    for line in (
        '- heading "churn" [level=1]',
        '- group "What the model looks at"',
        '- textbox "tenure required"',
        '- combobox "contract"',
        '- combobox "city"',
        '''- textbox "it's a note"''',
        '- button "Predict"',
    ):
        assert line in tree, tree
    page.click("#example")
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    page.click("#wrong")
    tree = page.locator("#answer").aria_snapshot()
    for pattern in (
        r'heading "Answer: (No|Yes)" \[level=2\]',
        r'- list "Probability of each class"',
        r"- listitem: No \d",
        r'- button "This is wrong" \[expanded\]',
        r'- group "The right answer"',
        r'- radio "Yes"',
        r'- textbox "In your words"',
    ):
        assert re.search(pattern, tree), tree


def test_without_motion_where_none_is_wanted(chromium: Any, served: tuple[str, Path]) -> None:
    made = Tab(chromium, reduced_motion="reduce")
    made.page.goto(f"{served[0]}/models/churn")
    made.page.click("#example")
    made.page.click("button >> text=Predict")
    made.page.wait_for_selector(".bar > span")
    assert made.page.evaluate("getComputedStyle(document.querySelector('.bar > span')).transitionDuration") == "0s"
    made.close(served[0])
