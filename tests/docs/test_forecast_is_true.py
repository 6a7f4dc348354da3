"""docs/how-to/forecast.md: its command finds what it says, its settings can be set, its Python answers."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import fairlead
from fairlead.contract.settings import GateSettings
from fairlead.lab.stats.further import known_metrics
from fairlead.ops.project import parse_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "forecast.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def sales() -> pd.DataFrame:
    random = np.random.default_rng(0)
    at = pd.date_range("2024-01-01", periods=150, freq="D")
    parts = []
    for shop, size in (("a", 1.0), ("b", 4.0)):
        sold = size * (20 + 15 * np.sin(at.day_of_week * 2 * np.pi / 7) + random.normal(0, 1, len(at)))
        parts.append(pd.DataFrame({"day": at, "shop": shop, "sold": sold.round(1), "visitors": 100}))
    return pd.concat(parts)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    sales().assign(visitors=lambda f: 100 + np.arange(len(f)) % 9).to_csv("sales.csv", index=False)
    return tmp_path


def test_its_command_its_settings_and_its_answer(here: Path) -> None:
    from fairlead.doors.cli.main import app

    (command,) = blocks("bash")
    done = CliRunner().invoke(app, command.split()[1:])
    assert done.exit_code == 0, done.output
    found = parse_settings((here / "fairlead.toml").read_text())[0].model
    shown = parse_settings(blocks("toml")[0])[0].model
    for key in ("name", "series", "time", "horizon", "every", "target"):
        assert getattr(found, key) == getattr(shown, key), key
    quick = '[data]\ntrain = "sales.csv"\n[train]\nlearners = ["ridge"]\ntrials = 1\nfolds = 2\n'
    (here / "fairlead.toml").write_text(blocks("toml")[0] + quick)
    assert os.getcwd() == str(here)
    fairlead.open(".").train()
    names: dict[str, object] = {}
    exec(blocks("python")[0], names)
    forecast = names["answer"]["forecast"]  # type: ignore[index]
    assert len(forecast) == 7
    assert all(0 < value < 60 for value in forecast)


def test_its_gate_can_be_set() -> None:
    gate = msgspec.convert(tomllib.loads(blocks("toml")[1])["gate"], GateSettings)
    assert gate.min is not False
    assert set(gate.min) <= set(known_metrics("forecasting"))
