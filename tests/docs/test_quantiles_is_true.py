"""docs/how-to/quantiles.md: its settings can stand together, and it names every learner that can."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import Settings
from fairlead.ops.project.combinations import check_combinations

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "quantiles.md").read_text()


def test_its_settings_can_be_set_and_its_learners_are_all_there_are() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    settings = msgspec.convert(tomllib.loads(block), Settings)
    check_combinations(settings)
    able = {name for name in names("learner") if hasattr(variant("learner", name), "at_quantile")}
    assert set(settings.train.learners) == able
