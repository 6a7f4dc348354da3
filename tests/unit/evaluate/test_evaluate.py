"""Evidence about real sealed bundles: numbers agree with sklearn's, and the report opens without a network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from fairlead.contract.errors import ColumnMissing, InputInvalid
from fairlead.contract.settings import GateSettings, ModelSettings, MonitorSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate import evaluate, gate, write_report
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.train import train
from fairlead.runtime.bundle import Model, SigningKey, load


def shop(count: int = 900, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size, idle = random.normal(size=count), random.normal(size=count)
    colour = random.choice(["red", "gr<een & $x_1$", "blue"], count)
    odds = 2.0 * size + (colour == "red")
    bought = np.where(random.random(count) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return pd.DataFrame({"size": size, "idle": idle, "colour": colour, "bought": bought})


def sales(days: int = 120, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    at = pd.date_range("2024-01-01", periods=days * 24, freq="h")
    warm = 10 + 8 * np.sin(np.arange(len(at)) / 24 * 2 * np.pi) + random.normal(size=len(at))
    return pd.DataFrame({"at": at.astype(str), "warm": warm, "sold": 5 * warm + random.normal(scale=4, size=len(at))})


SHOP = Settings(
    model=ModelSettings(
        name="shop", task="classification", target="bought", positive="yes", sensitive=("colour",),
        features=("size", "idle", "colour"),
    ),
    train=TrainSettings(learners=("logistic",), trials=1),
)  # fmt: skip
SALES = Settings(
    model=ModelSettings(name="sales", task="regression", target="sold", time="at"),
    train=TrainSettings(learners=("ridge",), trials=1),
    monitor=MonitorSettings(window="7d"),
)


def sealed(folder: Path, frame: pd.DataFrame, settings: Settings) -> tuple[Model, pd.DataFrame, dict[str, Any]]:
    key = SigningKey.create(folder / "key")
    training = train(frame, settings)
    (folder / "bundle").mkdir()
    write_bundle(training.candidate, folder / "bundle", key)
    parity = json.loads((folder / "bundle" / "parity.json").read_text())
    return load(folder / "bundle", (key.public,)), training.holdout, parity


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, pd.DataFrame, dict[str, Any]]:
    return sealed(tmp_path_factory.mktemp("shop"), shop(), SHOP)


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, pd.DataFrame, dict[str, Any]]:
    return sealed(tmp_path_factory.mktemp("sales"), sales(), SALES)


def test_metrics_are_those_of_the_sealed_model_on_these_rows(bought: Any) -> None:
    model, rows, parity = bought
    report = evaluate(model, rows, SHOP, parity=parity)
    answers = model.predict(rows[list(model.signature.names)])
    p = np.array([a["probabilities"]["yes"] for a in answers])
    y = (rows["bought"] == "yes").to_numpy()
    found = report.values()
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(y, p))
    assert found["pr_auc"] == pytest.approx(reference.average_precision_score(y, p))
    assert found["log_loss"] == pytest.approx(reference.log_loss(y, p))
    assert found["accuracy"] == pytest.approx(np.mean([(a["label"] == "yes") for a in answers] == y))
    assert report.rows == len(rows)
    assert report.loss.value == pytest.approx(found["brier"])
    for interval in report.metrics.values():
        assert interval.low <= interval.value <= interval.high
    table = np.array(report.curves["confusion"])
    assert table.tolist() == reference.confusion_matrix(rows["bought"], [a["label"] for a in answers]).tolist()


def test_same_rows_same_evidence(bought: Any) -> None:
    model, rows, parity = bought
    first, second = (evaluate(model, rows, SHOP, parity=parity, champion=model) for _ in range(2))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_against_itself_as_champion_the_difference_is_nothing(bought: Any) -> None:
    model, rows, parity = bought
    report = evaluate(model, rows, SHOP, champion=model, parity=parity)
    assert report.champion is not None
    assert msgspec.structs.astuple(report.champion.difference) == (0.0, 0.0, 0.0)
    assert gate(report, SHOP).outcome == "pass"


def test_a_model_of_noise_does_not_pass_for_one_that_beats_the_baseline(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    frame = shop()
    frame["bought"] = random.choice(["yes", "no"], len(frame))
    model, rows, parity = sealed(tmp_path, frame, SHOP)
    report = evaluate(model, rows, SHOP, parity=parity)
    verdict = next(c for c in gate(report, SHOP).checks if c.name == "beats.baseline")
    assert verdict.verdict in {"fail", "inconclusive"}
    assert 0.35 < report.values()["roc_auc"] < 0.65


def test_importance_finds_the_column_that_matters_and_not_the_idle_one(bought: Any) -> None:
    model, rows, _ = bought
    found = {i.column: i.rise for i in evaluate(model, rows, SHOP).importance}
    assert max(found, key=lambda c: found[c].value) == "size"
    assert found["size"].low > 0.05
    assert abs(found["idle"].value) < 0.01


def test_groups_are_compared_by_the_rate_decided_positive(bought: Any) -> None:
    model, rows, parity = bought
    found = {d.measure: d for d in evaluate(model, rows, SHOP).fairness}
    parity_gap = found["demographic_parity"]
    decided = pd.Series([a["label"] == "yes" for a in model.predict(rows[list(model.signature.names)])])
    rates = decided.groupby(rows["colour"].to_numpy()).mean()
    assert parity_gap.gap is not None
    assert parity_gap.gap.value == pytest.approx(rates.max() - rates.min())
    assert {g.group: g.rate.value for g in parity_gap.groups if g.rate} == pytest.approx(rates.to_dict())
    strict = msgspec.structs.replace(SHOP, gate=GateSettings(max_group_gap=0.0001))
    said = gate(evaluate(model, rows, strict, parity=parity), strict)
    assert said.outcome == ("fail" if parity_gap.gap.low > 0.0001 else "pass")


def test_by_time_rows_are_judged_in_order_with_windows_and_whole_weeks_drawn_together(sold: Any) -> None:
    model, rows, parity = sold
    shuffled = rows.sample(frac=1.0, random_state=0)
    report = evaluate(model, shuffled, SALES, parity=parity)
    assert [b.name for b in report.baselines] == ["mean", "last_value"]
    assert len(report.windows) == len(rows) // 168
    assert [w["start"] for w in report.windows] == sorted(w["start"] for w in report.windows)
    assert report.block == len(rows) // 8
    assert report.end > report.start > 0
    assert report.values()["mae"] == pytest.approx(
        reference.mean_absolute_error(rows["sold"], model.predict(rows[["warm"]]))
    )
    assert gate(report, SALES).outcome == "pass"


def test_rows_the_model_may_have_learned_from_are_pointed_out(sold: Any) -> None:
    model, rows, _ = sold
    assert not any("may have seen" in n for n in evaluate(model, rows, SALES).notes)
    assert any("may have seen" in n for n in evaluate(model, sales(), SALES).notes)


def test_blocks_never_leave_fewer_than_eight() -> None:
    hours = np.arange(24 * 365) * 3600.0
    assert block_rows(len(hours), hours, "7d") == 168
    assert block_rows(240, hours[:240], "7d") == 30
    assert block_rows(1000, None, "") == 1
    assert block_rows(1000, hours[:1000], "50rows") == 50


def test_rows_without_truth_are_counted_and_none_at_all_is_refused(bought: Any) -> None:
    model, rows, _ = bought
    some = rows.copy()
    some.loc[some.index[:10], "bought"] = None
    report = evaluate(model, some, SHOP)
    assert report.rows == len(rows) - 10
    assert "10 rows without a truth were left out." in report.notes
    with pytest.raises(InputInvalid, match="usable value"):
        evaluate(model, rows.assign(bought=None), SHOP)
    with pytest.raises(ColumnMissing, match="bought"):
        evaluate(model, rows.drop(columns="bought"), SHOP)


class Page(HTMLParser):
    """Tags that are open, and everything that would have to be fetched."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes(attrs)

    def attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            text = value or ""
            if name == "id":
                self.ids.append(text)
            if name in {"src", "href", "xlink:href", "action"} and not text.startswith("#"):
                self.fetched.append(text)
            self.refers += [text[1:]] if name.endswith("href") else re.findall(r"url\(#([^)]+)\)", text)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("case", ["bought", "sold"])
def test_the_page_opens_offline_and_says_what_matters_first(
    case: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, rows, parity = request.getfixturevalue(case)
    settings = {"bought": SHOP, "sold": SALES}[case]
    report = evaluate(model, rows, settings, parity=parity, champion=model)
    verdict = gate(report, settings)
    path = write_report(report, verdict, tmp_path / "reports")
    text = path.read_text("utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert "script" not in page.seen
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert set(page.refers) <= set(page.ids)
    assert "This model passed every check." in text
    assert text.index("This model passed") < text.index("<h2>Checks</h2>")
    assert text.count("<svg") == len(re.findall(r"<figure", text)) >= 4
    assert "#010203" not in text
    assert "gr<een" not in text
    told = json.loads((tmp_path / "reports" / "report.json").read_text())
    assert told["verdict"]["outcome"] == "pass"
    assert told["report"]["bundle"] == model.id
    before = path.read_bytes()
    assert write_report(report, verdict, tmp_path / "reports").read_bytes() == before
