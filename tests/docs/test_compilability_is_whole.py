"""The published table of what compiles has every learner and every entry of the preparation, as they compile now."""

from __future__ import annotations

import pytest
from tests.docs.compilability import PAGE, TARGETS, learner_cells, page
from tests.ports.test_port_preparation import ENTRIES

from fairlead.contract.plugins import names, variant

CHEAP = (("ridge", "number"), ("decision_tree", "two"), ("naive_bayes", "three"))


def test_every_learner_and_entry_is_there() -> None:
    text = PAGE.read_text()
    for name in names("learner"):
        tasks = variant("learner", name).tasks
        for task, words in TARGETS.values():
            assert (f"| {name} | {words} |" in text) == (task in tasks), (name, words)
    for entry in ENTRIES:
        assert f"| {entry} |" in text


@pytest.mark.parametrize(("name", "target"), CHEAP)
def test_the_form_is_the_one_that_is_told(name: str, target: str) -> None:
    task, words = TARGETS[target]
    form = learner_cells(name, target, task).split(" | ")[0]
    assert f"| {name} | {words} | {form} |" in PAGE.read_text()


@pytest.mark.long
def test_the_page_is_what_is_generated_now() -> None:
    def kept(text: str) -> list[list[str]]:
        """Without differences, whose last bits are a machine's own."""
        return [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("|")]

    assert kept(page()) == kept(PAGE.read_text())
