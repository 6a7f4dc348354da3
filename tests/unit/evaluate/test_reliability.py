"""Calibration: chance is not taken for error, error is not taken for chance, slopes are those of the fitted models."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.reliability import calibration_error, reliability

SIGNATURE = Signature(task="classification", target="y", columns=(), classes=("no", "yes"), positive="yes")
NUMBERS = Signature(task="regression", target="y", columns=())


def answers(seed: int, rows: int, off: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    said = random.uniform(0.1, 0.9, rows)
    happened = random.random(rows) < np.clip(said + off, 0, 1)
    return said, happened.astype(float)


@pytest.mark.parametrize(("rows", "off"), [(600, 0.0), (600, 0.08), (4000, 0.03)])
def test_the_interval_holds_the_true_error_and_the_square_has_no_bias(rows: int, off: float) -> None:
    inside, squares, plain = 0, [], []
    for seed in range(200):
        said, happened = answers(seed, rows, off)
        found = calibration_error(said, happened, 15)
        inside += found.low <= off <= found.high
        squares.append(found.value**2)
        bins = np.array_split(np.argsort(said), 15)
        plain.append(np.mean([(said[b] - happened[b]).mean() ** 2 for b in bins]))
    assert inside / 200 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)
    # What is cut off at 0 leaves some bias where there is no error; the plain average has far more.
    assert abs(np.mean(squares) - off**2) < 0.35 * abs(np.mean(plain) - off**2)


def test_slope_and_intercept_are_those_of_a_logistic_model() -> None:
    said, happened = answers(0, 800)
    odds = np.log(said / (1 - said))
    sharper = 1 / (1 + np.exp(-(1.7 * odds + 0.4)))
    truth = np.where(happened == 1, "yes", "no")
    found = reliability(truth, np.stack([1 - sharper, sharper], 1), SIGNATURE)
    assert found is not None
    assert found.slope is not None
    assert found.intercept is not None
    model = LogisticRegression(C=np.inf).fit((1.7 * odds + 0.4)[:, None], happened)
    assert found.slope.value == pytest.approx(float(model.coef_[0, 0]), abs=1e-3)
    assert found.slope.high < 1
    assert found.intercept.high < 0
    assert found.of == "yes"


def test_numbers_have_the_slope_of_truth_on_answer_and_what_they_are_off_by() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=500) * 5 + 50
    predicted = 0.5 * truth + 20 + random.normal(size=500) * 0.1
    found = reliability(truth, predicted[:, None], NUMBERS)
    assert found is not None
    assert found.slope is not None
    assert found.intercept is not None
    assert found.error is None
    assert found.slope.value == pytest.approx(2.0, abs=0.05)
    assert found.intercept.value == pytest.approx((truth - predicted).mean())


def test_where_nothing_can_be_said_nothing_is() -> None:
    said, happened = answers(3, 40)
    few = reliability(np.where(happened == 1, "yes", "no"), np.stack([1 - said, said], 1), SIGNATURE)
    assert few is not None
    assert few.error is None
    sure = np.where(happened == 1, 0.99, 0.01)
    parted = reliability(np.where(happened == 1, "yes", "no"), np.stack([1 - sure, sure], 1), SIGNATURE)
    assert parted is not None
    assert parted.slope is None
    one = reliability(np.array(["no"] * 40), np.stack([1 - said, said], 1), SIGNATURE)
    assert one is not None
    assert one.slope is None


def test_of_many_classes_the_likeliest_is_meant() -> None:
    random = np.random.default_rng(5)
    scores = random.dirichlet(np.ones(3) * 2, 900)
    truth = np.array([random.choice(list("abc"), p=p) for p in scores])
    found = reliability(
        truth, scores, Signature(task="classification", target="y", columns=(), classes=("a", "b", "c"))
    )
    assert found is not None
    assert found.error is not None
    assert found.error.low == 0.0
    assert found.of == "the likeliest class"
