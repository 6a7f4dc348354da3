"""docs/how-to/rank.md: its settings can stand together; its commands are run by tests/journeys/test_ranking.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from fairlead.contract.settings import GateSettings, ModelSettings, Settings
from fairlead.ops.project.combinations import check_combinations

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rank.md").read_text()


def test_its_settings_can_be_set() -> None:
    model, gate = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
    check_combinations(
        Settings(model=msgspec.convert(model["model"], ModelSettings), gate=msgspec.convert(gate["gate"], GateSettings))
    )


def test_its_commands_are_those_of_the_program() -> None:
    assert re.findall(r"fairlead (\w+) [^`\n]+", TEXT) == ["init", "predict", "score"]
