"""A version gone on from: its booster kept and signed, compared fairly, told, made again; else refused by name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.doors.python import init
from fairlead.ops.flow import making
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.warm_start import older_or_note

RULES = 'trials = 1\nlearners = ["{learner}"]\nfolds = 2\ncalibrate = false'


def shop(rows: int, start: str, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 5)).round(4), columns=list("abcde"))
    frame["at"] = pd.date_range(start, periods=rows, freq="10min").astype(str)
    odds = 1.5 * frame[list("abcde")].to_numpy() @ [0.8, -0.7, 0.6, 0.5, -0.4]
    odds += np.where(frame["a"] * frame["b"] > 0, 1.0, -1.0)
    frame["bought"] = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return frame


def written(folder: Path, learner: str, more: str = "") -> None:
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = .*\n(.*\n)*?(?=seed)", RULES.format(learner=learner) + f"\n{more}\n", toml)
    (folder / "fairlead.toml").write_text(toml)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project whose first version learned from many rows, and whose table has few new ones now."""
    folder = tmp_path_factory.mktemp("shop")
    shop(2_000, "2024-01-01", 0).to_csv(folder / "shop.csv", index=False)
    init(folder / "shop.csv", "bought", folder, time="at")
    toml = (folder / "fairlead.toml").read_text()
    (folder / "fairlead.toml").write_text(toml + "\n[evaluate]\nrobustness = false\nfind_slices = false\n")
    written(folder, "lightgbm")
    first = fairlead.open(folder).train()
    making.register(fairlead.open(folder).workspace, first["bundle"])
    shop(400, "2024-03-01", 1).to_csv(folder / "shop.csv", index=False)
    return folder, fairlead.open(folder).train(older="1")


def test_a_version_is_gone_on_from_where_that_is_better(project: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = project
    warm = answer["warm_start"]
    assert warm["chosen"], warm["says"]
    assert warm["says"].startswith("gone on from version 1: out of fold, on 160 rows that happened after its training")
    ws = fairlead.open(folder).workspace
    lineage = ws.load(answer["bundle"]).manifest.lineage
    assert lineage.warm_start == warm["bundle"] == ws.state.version(ws.model, 1).bundle
    page = Path(fairlead.open(folder).evaluate(answer["bundle"])["report"]).read_text()
    assert "Going on from another model" in page
    # No pickle: LightGBM's own text.
    assert (ws.home.root / "boosters" / answer["bundle"]).read_bytes().startswith(b"tree\n")


def test_what_went_on_is_made_again(project: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = project
    found = fairlead.open(folder).reproduce(answer["bundle"][:12])
    assert found["identical"], found


def test_without_a_champion_it_is_trained_anew_and_said(project: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = project
    frame = pd.read_csv(folder / "shop.csv")
    frame.to_csv(tmp_path / "shop.csv", index=False)
    init(tmp_path / "shop.csv", "bought", tmp_path, time="at")
    written(tmp_path, "logistic", 'warm_start = "champion"')
    answer = fairlead.open(tmp_path).train()
    assert answer["warm_start"] is None
    assert "trained anew: there is no champion yet that could be gone on from" in answer["warnings"]


def test_what_cannot_be_gone_on_from_is_refused_by_name(project: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = project
    one = fairlead.open(folder)
    kept = one.workspace.home.root / "boosters" / answer["bundle"]
    whole = kept.read_bytes()
    try:
        kept.write_bytes(whole.replace(b"leaf_value=", b"leaf_value=9"))
        with pytest.raises(BundleRefused, match="is not the one that was signed"):
            one.train(older=answer["bundle"][:12])
        kept.unlink()
        with pytest.raises(UsageError, match=r"no booster of bundle .* is kept in this home"):
            one.train(older=answer["bundle"][:12])
    finally:
        kept.write_bytes(whole)
    frame = pd.read_csv(folder / "shop.csv").rename(columns={"e": "f"})
    with pytest.raises(UsageError, match=r"version 1 cannot be gone on from.*column e is gone; column f is new"):
        one.train(frame, older="1")


def test_retraining_goes_on_from_the_champion_or_notes_why_not(
    project: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(project[0], tmp_path / "shop")
    folder = tmp_path / "shop"
    toml = (folder / "fairlead.toml").read_text()
    (folder / "fairlead.toml").write_text(toml.replace("trials = 1\n", 'trials = 1\nwarm_start = "champion"\n', 1))
    ws = fairlead.open(folder).workspace
    rows = Gathered(pd.read_csv(folder / "shop.csv"))
    assert older_or_note(ws, rows)[1] == ("trained anew: there is no champion yet that could be gone on from",)
    making.judge(ws, ws.state.version(ws.model, 1).bundle)
    fairlead.open(folder).deploy(1)
    start, said = older_or_note(ws, rows)
    assert (start.name, said) == ("version 1", ())
    shutil.rmtree(ws.home.root / "boosters")
    start, said = older_or_note(ws, rows)
    assert start is None
    assert said[0].startswith("trained anew: no booster of version 1 is kept in this home")
