"""docs/how-to/decisions.md: its settings are settings that can stand together, and nothing it names is made up."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.ops.project.combinations import check_combinations

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "decisions.md").read_text()


def check(text: str) -> None:
    train = msgspec.convert(tomllib.loads(text).get("train", {}), TrainSettings)
    check_combinations(Settings(model=ModelSettings(name="m", task="classification", target="t"), train=train))


def test_its_tables_and_single_settings_can_be_set() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        check(block)
    singles = re.findall(r"^\| `((?:costs|threshold|abstain) = [^`]+)`", TEXT, re.MULTILINE)
    assert len(singles) == 8
    for single in singles:
        check(f"[train]\n{single}")
