"""Known noise put into real and made tables, and how much of it is found; clean blocks are left in peace."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.tables import open_table
from fairlead.lab.train.suspects import find_suspects, without_rows, write_suspects
from fairlead.lab.train.suspects.blocks import block_influence
from fairlead.lab.train.suspects.confident import confident_suspects
from fairlead.lab.train.suspects.contradictions import near_rows, same_rows
from fairlead.lab.train.suspects.residuals import residual_suspects

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of ../shared/data are not here")
CHURN = Settings(
    model=ModelSettings(name="m", task="classification", target="Churn", positive="Churned", id="customerID"),
    train=TrainSettings(learners=("logistic",)),
)


def flipped(frame, share, seed=0):
    """The churn table with this share of labels turned, and which rows (from 1)."""
    chosen = np.random.default_rng(seed).choice(len(frame), int(share * len(frame)), replace=False)
    label = frame["Churn"].to_numpy(dtype=object).copy()
    label[chosen] = np.where(label[chosen] == "Churned", "Stayed", "Churned")
    return frame.assign(Churn=label), set((chosen + 1).tolist())


@needs_data
def test_of_5_percent_turned_labels_in_churn_most_are_listed_and_half_of_the_strongest_are_right():
    # Churn is noisy of itself (AUC 0.84): the floors are what a list to read through must at least be worth.
    frame, turned = flipped(open_table(DATA / "telco-churn.csv").frame(), 0.05)
    found = [s.row for s in find_suspects(frame, CHURN, blocks=False).found("label")]
    recall = len(turned & set(found)) / len(turned)
    strongest = found[: len(turned)]
    assert recall >= 0.55
    assert np.mean([row in turned for row in strongest]) >= 0.4  # 0.05 by chance


@needs_data
@pytest.mark.long
def test_a_poisoned_stretch_of_bike_is_found_and_its_numbers_are_the_worst():
    bike = open_table(DATA / "bike-sharing-hour.csv").frame()
    settings = Settings(
        model=ModelSettings(
            name="b",
            task="regression",
            target="cnt",
            id="instant",
            time=("dteday", "hr"),
            exclude=("casual", "registered"),
        )
    )
    poisoned = bike.copy()
    poisoned.loc[9000:9599, "cnt"] = poisoned["cnt"].max() - poisoned.loc[9000:9599, "cnt"]
    worst = find_suspects(poisoned, settings).blocks[0]
    assert worst.suspicious
    assert worst.first <= 9300 <= worst.last
    assert worst.low > 0.02
    random = np.random.default_rng(1)
    wrong = random.choice(len(bike), 400, replace=False)
    spoilt = bike.copy()
    spoilt.loc[wrong, "cnt"] = spoilt.loc[wrong, "cnt"] * 10 + 50
    rows = [s.row - 1 for s in find_suspects(spoilt, settings, blocks=False).found("number")]
    assert np.mean([r in set(wrong) for r in rows]) >= 0.85
    assert len(set(rows) & set(wrong)) / 400 >= 0.75


def test_the_confident_joint_counts_turned_labels_where_classes_part():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 3000)
    probabilities = np.full((3000, 3), 0.05)
    probabilities[np.arange(3000), truth] = np.where(random.random(3000) < 0.1, 0.4, 0.9)  # a tenth is unsure
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    given = truth.copy()
    wrong = random.choice(np.flatnonzero(truth == 0), 100, replace=False)
    given[wrong] = 2
    found = confident_suspects(probabilities, given)
    assert set(found.rows) <= set(wrong)
    assert len(found.rows) >= 90
    assert set(found.suggested) == {0}
    assert found.noise[2, 0] == pytest.approx(100, abs=10)
    assert (np.diff(found.margin) <= 0).all()


def test_a_table_without_noise_and_with_parted_classes_has_no_suspect():
    random = np.random.default_rng(3)
    given = random.integers(0, 2, 500)
    sure = np.where(given == 1, 0.97, 0.03) + random.uniform(-0.02, 0.02, 500)
    assert len(confident_suspects(np.stack([1 - sure, sure], axis=1), given).rows) == 0


def test_numbers_are_judged_by_the_spread_of_their_own_kind():
    random = np.random.default_rng(1)
    x = random.random(3000)
    truth = 10 * x + random.normal(0, 0.1 + 2 * x, 3000)  # rows with large x spread widely, and rightly so
    truth[np.argsort(x)[5]] += 4.0
    fold = random.permutation(3000) % 5
    rows, away = residual_suspects(truth, 10 * x, x[:, None], fold)
    assert rows[0] == np.argsort(x)[5]
    assert away[0] > 8
    assert len(rows) <= 3


def test_twins_with_opposite_answers():
    columns = {
        "age": np.array([30.0, 30.0, 30.0, 55.0, 61.0, 41.0]),
        "pay": np.array([1000.001, 1000.002, 1000.0, 2500.0, 3100.0, 1800.0]),
        "town": np.array(["Bern", "bern ", "Bern", "Bern", "Thun", None], dtype=object),
    }
    given = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    assert [(c.row, c.twin, c.how) for c in same_rows(columns, given, True)] == [(2, 0, "same")]
    features = np.array([[0.0, 0.0], [0.0, 0.05], [2.0, 2.0], [5.0, 5.0]])
    assert [(c.row, c.twin) for c in near_rows(features, np.array([0.0, 1.0, 0.0, 1.0]), True)] == [(0, 1), (1, 0)]
    assert same_rows({"x": np.array([1.0, 1.0, 1.0])}, np.array([0.0, 0.1, 1.3]), False)[0].row == 2


def least_squares(x, y):
    """The fit that block tests need, by least squares."""

    def fit(rows):
        weights, *_ = np.linalg.lstsq(x[rows], y[rows], rcond=None)
        return lambda judge: (y[judge] - x[judge] @ weights) ** 2

    return fit


def blocks_of_a_made_table(seed, poison):
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(600), random.normal(size=(600, 4))])
    y = x @ np.array([1.0, 2.0, -1.0, 0.5, 0.0]) + random.normal(size=600)
    blocks = {("order", str(i)): np.arange(60 * i, 60 * i + 60) for i in range(10)}
    if poison:
        y[180:240] = -3 * y[180:240]
    return block_influence(600, blocks, least_squares(x, y), seed)


def test_a_poisoned_block_is_found_each_time_and_clean_ones_alarm_within_the_level():
    assert all(blocks_of_a_made_table(s, True)[3][1] < 0.05 for s in range(10))
    alarms = sum(min(p for _, p in blocks_of_a_made_table(s, False)) < 0.05 for s in range(120))
    assert alarms <= 11  # 5 % of 120 is 6; more than 11 come by chance in 2 of 100 such runs


def test_a_task_without_labels_is_refused_by_name():
    settings = Settings(model=ModelSettings(name="m", task="clustering", target=""))
    with pytest.raises(ConfigInvalid, match="clustering"):
        find_suspects(pd.DataFrame({"x": [1.0, 2.0]}), settings)


@needs_data
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_list_of_suspects_leaves_their_rows_out_in_whatever_order_the_table_comes(tmp_path, ending):
    frame = open_table(DATA / "telco-churn.csv").frame().head(600)
    found = find_suspects(frame, CHURN, blocks=False)
    path = tmp_path / f"suspects.{ending}"
    assert write_suspects(found, path, "abc") == len(found.suspects) > 0
    rows = {s.row for s in found.suspects}
    kept, gone = without_rows(frame.iloc[::-1], path, key="customerID", table=lambda: "abc")
    assert gone == len(rows)
    assert not {s.key for s in found.suspects} & set(kept["customerID"])
    by_number, gone = without_rows(frame, path, key=None, table=lambda: "abc")
    assert gone == len(rows)
    assert set(by_number["customerID"]) == set(kept["customerID"])


def test_what_a_list_cannot_be(tmp_path):
    frame = pd.DataFrame({"x": range(5)})
    path = tmp_path / "rows.csv"

    def refused(text, match):
        path.write_text(text)
        with pytest.raises(ConfigInvalid, match=match):
            without_rows(frame, path, key=None, table=lambda: "this")

    refused("row,table\n1,that\n2,that\n", "another table")
    refused("row,why\n6,x\n1,y\n", "the table has not")
    refused("line,why\n1,x\n2,y\n", "neither")
    refused("row,why\n1,a\n2,b\n3,c\n4,d\n5,e\n", "every row")
    path.write_text("row,why\n2,x\n2,y\n")
    assert without_rows(frame, path, key=None, table=lambda: "this")[1] == 1
