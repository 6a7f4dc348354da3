"""A leak of each kind planted and found; no column of the shared tables or sklearn's sets accused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import NOW, clean
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from fairlead.lab.tables import open_table
from fairlead.lab.tables.quality import examine
from fairlead.lab.tables.quality.auc import auc, auc_difference

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of ../shared/data are not here")
CHECKS = ("leak", "time_travel")


def accused(frame, target="bought", **more):
    found = examine(frame, target=target, now=NOW, checks=CHECKS, **more)
    return {i.column: i.evidence.get("kind", i.check) for i in found.issues}


def numbers(rows=1500):
    """A regression: one number that hangs on the others loosely, in time order."""
    frame = clean(rows).drop(columns="bought")
    frame["at"] = pd.date_range("2025-01-01", periods=rows, freq="h")
    random = np.random.default_rng(9)
    frame["spent"] = (frame["income"] / 100 + 20 * frame["visits"] + random.normal(0, 30, rows)).round(1)
    return frame


def test_nothing_where_nothing_leaks():
    assert accused(clean()) == {}
    assert accused(numbers(), "spent") == {}


def test_a_disguised_class_with_a_few_slips():
    frame = clean()
    frame["status"] = np.where(frame["bought"] == "yes", "closed", "open")
    frame.loc[frame.index[frame["bought"] == "yes"][[3, 40]], "status"] = "open"
    assert accused(frame) == {"status": "disguise"}


def test_gaps_that_tell():
    frame = clean()
    frame["delivered_to"] = np.where(frame["bought"] == "yes", np.random.default_rng(1).normal(size=len(frame)), np.nan)
    frame.loc[frame.index[::50], "delivered_to"] = 1.0
    assert accused(frame) == {"delivered_to": "missingness"}


@pytest.mark.parametrize(
    "disguise", [np.log, lambda y: y**3, lambda y: -np.sqrt(y), lambda y: (y - y.mean()) ** 2 * np.sign(y - y.mean())]
)
def test_a_number_behind_a_monotone_map(disguise):
    frame = numbers()
    frame["spent"] = frame["spent"] - frame["spent"].min() + 1
    frame["points"] = disguise(frame["spent"])
    assert accused(frame, "spent") == {"points": "disguise"}


def test_a_number_that_is_a_function_but_not_monotone():
    frame = numbers()
    random = np.random.default_rng(3)
    frame["phase"] = random.uniform(0, 20, len(frame))
    frame["spent"] = np.sin(frame["phase"])
    assert accused(frame, "spent") == {"phase": "disguise"}


def test_a_code_whose_group_decides_a_number():
    frame = numbers()
    random = np.random.default_rng(3)
    code = random.integers(0, 40, len(frame))
    frame["tariff"] = [f"T{c:02d}" for c in code]
    frame["spent"] = random.normal(0, 10, 40)[code] + random.normal(0, 0.01, len(frame))
    assert accused(frame, "spent") == {"tariff": "disguise"}


def test_a_column_far_ahead_of_all_others_together():
    frame = clean()
    random = np.random.default_rng(4)
    frame["risk"] = np.where(frame["bought"] == "yes", 1.0, -1.0) + random.normal(0, 0.55, len(frame))
    assert accused(frame) == {"risk": "too good"}
    frame["copy_of_risk"] = frame["risk"] + random.normal(0, 0.001, len(frame))
    assert accused(frame) == {"risk": "too good", "copy_of_risk": "too good"}


def test_moments_after_the_row():
    frame = clean()
    frame["refunded"] = frame["at"] + pd.to_timedelta(np.random.default_rng(1).integers(2, 30, len(frame)), unit="D")
    frame["before"] = frame["at"] - pd.Timedelta(days=3)
    assert accused(frame, time=("at",)) == {"refunded": "time_travel"}


def test_the_target_of_a_later_row_is_no_feature_and_that_of_an_earlier_one_is():
    frame = numbers()
    frame["tomorrow"] = frame["spent"].shift(-24)
    frame["yesterday"] = frame["spent"].shift(24)
    found = examine(frame, target="spent", time=("at",), now=NOW, checks=CHECKS)
    assert [(i.column, i.evidence["rows_ahead"]) for i in found.issues] == [("tomorrow", 24)]


@needs_data
@pytest.mark.parametrize(
    ("file", "target", "leaks"),
    [("telco-churn.csv", "Churn", set()), ("bike-sharing-hour.csv", "cnt", {"casual", "registered"})],
)
def test_of_the_shared_tables_only_what_adds_up_to_the_target(file, target, leaks):
    assert set(accused(open_table(DATA / file), target)) == leaks


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_no_column_of_sklearns_sets_is_accused(name):
    found = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = found.frame
    if name != "diabetes":
        frame["target"] = [f"class {t}" for t in frame["target"]]
    assert accused(frame, "target") == {}


def test_columns_that_the_project_excludes_are_not_accused_again():
    from fairlead.contract.settings import ModelSettings, Settings

    frame = clean()
    frame["status"] = np.where(frame["bought"] == "yes", "closed", "open")
    model = ModelSettings(name="m", task="classification", target="bought", id="customer_id", exclude=("status",))
    assert examine(frame, settings=Settings(model=model), now=NOW).issues == ()


def test_auc_is_that_of_sklearn_and_its_interval_covers():
    random = np.random.default_rng(0)
    for _ in range(20):
        truth = random.random(80) < 0.4
        scores = (truth + random.normal(0, 1.5, 80)).round(1)
        assert auc(scores, truth).value == pytest.approx(roc_auc_score(truth, scores))
    right, covered, apart = 0.7602, 0, 0  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    for _ in range(400):
        truth = np.arange(150) % 3 == 0
        one, other = truth + random.normal(0, 1, 150), truth + random.normal(0, 1, 150)
        found = auc(one, truth)
        covered += found.low <= right <= found.high
        apart += not (auc_difference(one, other, truth).low <= 0 <= auc_difference(one, other, truth).high)
    assert 0.92 <= covered / 400 <= 0.98
    assert apart / 400 <= 0.075
