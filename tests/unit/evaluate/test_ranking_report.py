"""Evidence about a sealed ranking: by group, against what is popular, in the gate and on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn.metrics import ndcg_score

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import EvaluateSettings, GateSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate import Report, evaluate, gate, write_report
from fairlead.lab.evaluate.ranking import item_cells
from fairlead.lab.train import train
from fairlead.ops.project.combinations import check_combinations
from fairlead.runtime.bundle import Model, SigningKey, load

SETTINGS = Settings(
    model=ModelSettings(name="shown", task="regression", target="gain", group="query", item="page"),
    train=TrainSettings(learners=("ridge",), trials=1, folds=3),
    gate=GateSettings(min={"ndcg_at_3": 0.6}, beats=("baseline", "random")),
    evaluate=EvaluateSettings(find_slices=False, robustness=False),
)


def shown(groups: int = 80, seed: int = 0) -> pd.DataFrame:
    """Pages for queries: gains from 0 to 3 by how near a page is, and some pages are better for all."""
    random = np.random.default_rng(seed)
    query, page = np.repeat(np.arange(groups), 5), np.concatenate([random.permutation(9)[:5] for _ in range(groups)])
    near = random.normal(size=len(query)).round(3)
    gain = np.clip(np.round(1.2 * near + 0.15 * page - 0.4 + random.normal(scale=0.5, size=len(query))), 0, 3)
    return pd.DataFrame({"query": query, "page": page, "near": near, "gain": gain})


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, pd.DataFrame, pd.DataFrame, Report]:
    """The sealed model, the rows kept for judging, those it learned from, and the report."""
    folder, frame = tmp_path_factory.mktemp("shown"), shown()
    key = SigningKey.create(folder / "key")
    training = train(frame, SETTINGS)
    (folder / "bundle").mkdir()
    write_bundle(training.candidate, folder / "bundle", key)
    model = load(folder / "bundle", (key.public,))
    kept = training.holdout
    known = frame[~frame["query"].isin(kept["query"])]
    parity = json.loads((folder / "bundle" / "parity.json").read_text())
    return model, kept, known, evaluate(model, kept, SETTINGS, known=known, parity=parity)


def test_the_promise_and_the_folds_hold_ndcg(ranked: Any) -> None:
    model, kept, known, _ = ranked
    assert not set(kept["query"]) & set(known["query"])
    assert all(0 < window.metrics["ndcg_at_5"] <= 1 for window in model.reference.held_out)


def test_metrics_are_those_of_sklearn_with_intervals_by_group(ranked: Any) -> None:
    model, kept, _, report = ranked
    scores = np.asarray(model.score_columns({"near": kept["near"].to_numpy(float)}))[:, 0]
    means = [
        ndcg_score(part["gain"].to_numpy()[None], scores[part.index][None], k=3)
        for _, part in kept.groupby("query")
        if (part["gain"] > 0).any()
    ]
    found = report.metrics["ndcg_at_3"]
    assert found.value == pytest.approx(np.mean(means))
    assert found.low < found.value < found.high
    # The interval of so many groups, not of five times as many rows.
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(means) / np.sqrt(len(means)), rel=0.3)
    assert report.ranking.judged == len(means)
    assert report.ranking.groups == kept["query"].nunique()
    assert {"mae", "rmse"} <= set(report.metrics)


def test_what_it_is_compared_with_is_popularity_and_chance(ranked: Any) -> None:
    _, _, _, report = ranked
    assert [other.name for other in report.baselines] == ["popularity", "random"]
    popular, chance = report.baselines
    assert report.loss.value < popular.loss < chance.loss
    assert popular.difference.value == pytest.approx(report.loss.value - popular.loss)
    assert report.loss.value == pytest.approx(1 - report.metrics["ndcg_at_3"].value)
    assert (report.ranking.k, report.ranking.popular_from, report.ranking.straddling) == (3, "learned", 0)


def test_without_known_rows_other_groups_say_what_is_popular(ranked: Any) -> None:
    model, kept, known, _ = ranked
    report = evaluate(model, kept, SETTINGS)
    assert report.ranking is not None
    assert report.ranking.popular_from == "judged"
    assert any("other judged groups" in note for note in report.notes)
    plain = evaluate(model, kept.drop(columns="page"), SETTINGS, known=known)
    assert [other.name for other in plain.baselines] == ["random"]
    half = pd.concat([known, kept.iloc[:10]])
    told = evaluate(model, kept, SETTINGS, known=half)
    assert told.ranking is not None
    assert told.ranking.straddling > 0


def test_the_gate_demands_of_the_order(ranked: Any) -> None:
    model, kept, known, report = ranked
    verdict = gate(report, SETTINGS)
    assert verdict.outcome == "pass", verdict
    assert {"min.ndcg_at_3", "beats.baseline", "beats.random"} <= {c.name for c in verdict.checks}
    strict = replace(SETTINGS, gate=GateSettings(min={"ndcg_at_7": 0.999}))
    again = evaluate(model, kept, strict, known=known)
    assert again.ranking is not None
    assert again.ranking.k == 7
    assert next(c for c in gate(again, strict).checks if c.name == "min.ndcg_at_7").verdict == "fail"
    with pytest.raises(ConfigInvalid, match="no metric"):
        gate(report, replace(SETTINGS, gate=GateSettings(min={"ndcg": 0.5})))


def test_a_champion_is_compared_by_group(ranked: Any) -> None:
    model, kept, known, _ = ranked
    report = evaluate(model, kept, SETTINGS, champion=model, known=known)
    assert report.champion is not None
    assert report.champion.difference.value == 0
    check = next(c for c in gate(report, SETTINGS).checks if c.name == "no_worse_than.champion")
    assert check.verdict == "pass"
    assert "ndcg_at_3" in check.why


def test_groups_that_say_nothing_leave_the_gate_undecided(ranked: Any) -> None:
    model, kept, known, _ = ranked
    report = evaluate(model, kept.assign(gain=0.0), SETTINGS, known=known)
    assert report.baselines == ()
    assert any("cannot be put in order" in note for note in report.notes)
    checks = {c.name: c.verdict for c in gate(report, SETTINGS).checks}
    assert checks["min.ndcg_at_3"] == checks["beats.baseline"] == "inconclusive"


def test_the_page_shows_the_order_by_k(ranked: Any, tmp_path: Path) -> None:
    *_, report = ranked
    page = write_report(report, gate(report, SETTINGS), tmp_path).read_text()
    assert "How well it puts groups in order" in page
    assert "Order by k" in page
    assert "Compared with the order of what is popular" in page
    written = json.loads((tmp_path / "report.json").read_text())["report"]["ranking"]
    assert [one["k"] for one in written["at"]] == [1, 3, 5, 10]
    assert written["at"][1]["popularity_ndcg"] == pytest.approx(report.baselines[0].metrics["ndcg_at_3"])


def test_items_read_again_in_another_dtype_are_the_same() -> None:
    assert item_cells(pd.Series([1, 2])).tolist() == item_cells(pd.Series([1.0, 2.0])).tolist() == ["1", "2"]
    assert item_cells(pd.Series(["a", None], dtype="string")).tolist() == ["a", None]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"group": None}, "there is no model.group"),
        ({"group": "gain"}, "'gain' is the target"),
        ({"group": "page"}, "is the group, too"),
        ({"features": ("query", "near")}, "never a feature"),
        ({"task": "clustering"}, "puts no rows in order"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigInvalid, match=what):
        check_combinations(replace(SETTINGS, gate=GateSettings(), model=replace(SETTINGS.model, **changes)))


def test_metrics_and_opponents_of_rankings_are_known_to_them_alone() -> None:
    check_combinations(SETTINGS)
    plain = replace(SETTINGS.model, group=None, item=None)
    with pytest.raises(ConfigInvalid, match="ndcg_at_3"):
        check_combinations(replace(SETTINGS, model=plain, gate=GateSettings(min={"ndcg_at_3": 0.6})))
    with pytest.raises(ConfigInvalid, match="unknown opponent 'popularity'"):
        check_combinations(replace(SETTINGS, model=plain, gate=GateSettings(beats=("popularity",))))
