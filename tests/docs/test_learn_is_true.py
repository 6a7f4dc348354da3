"""docs/how-to/learn-from-*.md: settings stand together, commands exist; journeys/test_image_learning.py runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairlead.ops.project import parse_settings

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
WHOLE = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\n'


@pytest.mark.parametrize(("page", "tables"), [("learn-from-images.md", 3), ("learn-from-texts.md", 1)])
def test_its_settings_can_be_set(page: str, tables: int) -> None:
    found = re.findall(r"```toml\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    assert len(found) == tables
    for block in found:
        settings, _ = parse_settings(block if "[model]" in block else WHOLE + block)
        assert set(settings.train.learners) <= {"image_net", "image_head", "text_net"}


@pytest.mark.parametrize("page", ["learn-from-images.md", "learn-from-texts.md"])
def test_its_commands_are_those_of_the_journey(page: str) -> None:
    found = re.findall(r"^fairlead (\w+)", (HOW_TO / page).read_text(), re.MULTILINE)
    assert found == ["train", "evaluate", "register", "deploy", "score"]
