"""What is settled before the seal: calibration by evidence, thresholds by costs, abstention that keeps its promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.contract.signature import Signature
from fairlead.lab.compile import write_bundle
from fairlead.lab.train import abstaining, calibrating, thresholds, train
from fairlead.lab.train.assured import assured_count, lowest_share
from fairlead.runtime.bundle import SigningKey, load

TWO = Signature("classification", (), classes=("no", "yes"), positive="yes")


def settings(**chosen: Any) -> Settings:
    rules = {"learners": ("logistic",), "trials": 1, "folds": 4, **chosen}
    model = ModelSettings(name="shop", task="classification", target="bought", positive="yes", id="key")
    return Settings(model=model, train=TrainSettings(**rules))  # type: ignore[arg-type]


def rows(count: int = 600, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size, price = random.normal(size=count), random.uniform(1, 9, count)
    odds = 2.0 * size - 1.0
    bought = np.where(random.random(count) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return pd.DataFrame({"key": np.arange(count), "size": size, "price": price, "bought": bought})


def drawn(count: int, seed: int, sharp: float = 1.0) -> tuple[Any, Any, Any]:
    """True probabilities, what a model says of them (sharper than true), and what happened."""
    random = np.random.default_rng(seed)
    odds = random.normal(scale=1.5, size=count)
    p = 1 / (1 + np.exp(-odds))
    said = 1 / (1 + np.exp(-sharp * odds))
    return p, np.stack([1 - said, said], axis=1), (random.random(count) < p).astype(np.int64)


def dealt(count: int, folds: int = 5) -> list[Any]:
    return [np.arange(count)[f::folds] for f in range(folds)]


def test_auto_corrects_a_model_that_says_too_much_and_leaves_a_true_one_alone() -> None:
    p, scores, codes = drawn(4000, 1, sharp=2.5)
    made, shown, found = calibrating.settle("auto", scores, codes, dealt(4000), timed=False, seed=0, block=1)
    assert made is not None
    assert found.method == made.method
    assert found.gains[found.method].high < 0
    assert found.error_after < found.error_before / 3
    assert np.abs(shown[:, 1] - p).mean() < np.abs(scores[:, 1] - p).mean() / 4
    _, honest, codes = drawn(4000, 2)
    made, shown, found = calibrating.settle("auto", honest, codes, dealt(4000), timed=False, seed=0, block=1)
    assert made is None
    assert shown is honest
    assert found.why.startswith("Not calibrated")


def test_auto_seldom_touches_what_is_calibrated() -> None:
    touched = 0
    for seed in range(40):
        _, scores, codes = drawn(500, 100 + seed)
        touched += calibrating.settle("auto", scores, codes, dealt(500), timed=False, seed=0, block=1)[0] is not None
    assert touched <= 3


@pytest.mark.parametrize("way", ["isotonic", "sigmoid", "temperature"])
def test_three_classes_are_calibrated_each_against_the_rest(way: str) -> None:
    random = np.random.default_rng(5)
    logits = random.normal(size=(3000, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (random.random((3000, 1)) > p.cumsum(axis=1)).sum(axis=1).astype(np.int64)
    sharp = p**2 / (p**2).sum(axis=1, keepdims=True)
    made, shown, found = calibrating.settle(way, sharp, codes, dealt(3000), timed=False, seed=0, block=1)
    assert made is not None
    assert len(made.curves) == 3
    np.testing.assert_allclose(shown.sum(axis=1), 1.0)
    assert found.gains[way].high < 0


def test_in_time_a_curve_learns_from_earlier_folds_alone() -> None:
    _, scores, codes = drawn(500, 3, sharp=2.0)
    folds = [np.arange(at, at + 100) for at in range(0, 500, 100)]
    before = calibrating.cross_fitted("sigmoid", scores, codes, folds, timed=True)
    assert np.isnan(before[:100]).all()
    later = codes.copy()
    later[300:] = 1 - later[300:]
    after = calibrating.cross_fitted("sigmoid", scores, later, folds, timed=True)
    np.testing.assert_array_equal(before[:400], after[:400])
    assert not np.array_equal(before[400:], after[400:])


def test_no_fold_is_calibrated_by_its_own_truth() -> None:
    _, scores, codes = drawn(500, 4, sharp=2.0)
    folds = dealt(500)
    before = calibrating.cross_fitted("isotonic", scores, codes, folds, timed=False)
    other = codes.copy()
    other[folds[2]] = 1 - other[folds[2]]
    after = calibrating.cross_fitted("isotonic", scores, other, folds, timed=False)
    np.testing.assert_array_equal(before[folds[2]], after[folds[2]])


def test_the_threshold_of_calibrated_scores_is_that_of_the_costs() -> None:
    p, _, codes = drawn(6000, 7)
    event = codes == 1
    costs = thresholds.costs_of({"false_positive": 1.0, "false_negative": 5.0}, event, None)
    found = thresholds.by_cost(p, event, costs, seed=0, block=1)
    assert found.threshold.value == pytest.approx(1 / 6, abs=1e-5)
    assert found.threshold.low <= 1 / 6 <= found.threshold.high
    assert found.saved is not None
    assert found.saved.low > 0
    assert found.cost is not None
    assert found.cost.value == pytest.approx(np.where(p > 1 / 6, ~event * 1.0, event * 5.0).mean(), abs=1e-6)


def test_where_scores_mislead_the_threshold_is_the_one_that_costs_least() -> None:
    p, _, codes = drawn(6000, 8)
    event, shifted = codes == 1, p**3
    costs = thresholds.costs_of({"false_positive": 1.0, "false_negative": 1.0}, event, None)
    found = thresholds.by_cost(shifted, event, costs, seed=0, block=1)
    assert found.threshold.value == pytest.approx(0.125, abs=0.06)
    every = [np.where(shifted > t, ~event * 1.0, event * 1.0).mean() for t in np.linspace(0, 1, 400)]
    assert found.cost is not None
    assert found.cost.value <= min(every) + 1e-12


def test_a_benefit_moves_the_threshold_as_elkan_says() -> None:
    event = np.array([True, False])
    costs = thresholds.costs_of({"false_positive": 2.0, "false_negative": 3.0, "true_positive": -5.0}, event, None)
    assert costs.even == pytest.approx(2.0 / (2.0 + 8.0))


def test_costs_may_differ_by_row() -> None:
    p, _, codes = drawn(4000, 9)
    event = codes == 1
    amount = np.where(np.arange(4000) % 2, 1.0, 19.0)
    costs = thresholds.costs_of(
        {"false_positive": 2.0, "false_negative": "amount"}, event, pd.DataFrame({"amount": amount})
    )
    found = thresholds.by_cost(p, event, costs, seed=0, block=1)
    every = [np.where(p > t, ~event * 2.0, event * amount).mean() for t in np.linspace(0, 1, 400)]
    assert found.cost is not None
    assert found.cost.value <= min(every) + 1e-12
    with pytest.raises(ConfigInvalid, match="does not have"):
        thresholds.costs_of({"false_negative": "loss"}, event, pd.DataFrame({"amount": amount}))
    with pytest.raises(ConfigInvalid, match="number in every row"):
        thresholds.costs_of({"false_negative": "word"}, event, pd.DataFrame({"word": ["a"] * 4000}))
    with pytest.raises(ConfigInvalid, match="no more than a right one"):
        thresholds.costs_of({"false_positive": 1.0, "true_negative": 2.0, "false_negative": 1.0}, event, None)


def test_f1_is_the_largest_there_is() -> None:
    from sklearn.metrics import f1_score

    p, _, codes = drawn(400, 10)
    found = thresholds.by_f1(p, codes == 1, seed=0, block=1)
    every = [f1_score(codes, p > t) for t in np.unique(p)]
    assert f1_score(codes, p > found.threshold.value) == pytest.approx(max(every), abs=1e-12)


def test_a_precision_and_a_recall_hold_on_rows_to_come_as_often_as_promised() -> None:
    broken = {"precision": 0, "recall": 0}
    for seed in range(60):
        p, _, codes = drawn(800, 200 + seed)
        for name, by, wanted in (
            ("precision", thresholds.by_precision, 0.8),
            ("recall", thresholds.by_recall, 0.8),
        ):
            threshold = by(p, codes == 1, wanted).threshold.value
            fresh, _, truth = drawn(40_000, 9000 + seed)
            said, event = fresh > threshold, truth == 1
            share = event[said].mean() if name == "precision" else said[event].mean()
            broken[name] += share < wanted
    # At most 5 % each: P(Binomial(60, 0.05) > 8) < 0.01.
    assert broken["precision"] <= 8
    assert broken["recall"] <= 8


def test_the_bound_is_clopper_pearsons() -> None:
    from scipy.stats import binomtest

    assert lowest_share(45, 50) == pytest.approx(binomtest(45, 50, alternative="greater").proportion_ci(0.95).low)
    assert lowest_share(0, 5) == 0.0


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.97])
def test_the_accuracy_promised_by_abstaining_holds_on_rows_to_come(wanted: float) -> None:
    broken = 0.0
    trials = 60
    _, scores, truth = drawn(60_000, 77, sharp=1.6)
    for seed in range(trials):
        _, said, codes = drawn(700, 300 + seed, sharp=1.6)
        found = abstaining.settle("accuracy", wanted, said, codes, TWO)
        kept = abstaining.confidences(scores, TWO) >= found.confidence
        right = (scores.argmax(axis=1) == truth)[kept]
        broken += bool(kept.any()) and right.mean() < wanted
        assert found.accuracy.low >= wanted or not found.kept
        assert len(found.points) <= abstaining.SHOWN
    assert broken <= 8


def test_with_rows_enough_most_of_what_could_be_answered_is() -> None:
    p, scores, _ = drawn(40_000, 78, sharp=1.6)
    sure = np.sort(np.maximum(p, 1 - p))[::-1]
    best = (np.cumsum(sure) / np.arange(1, 40_001) >= 0.9).mean()
    _, said, codes = drawn(6000, 79, sharp=1.6)
    found = abstaining.settle("accuracy", 0.9, said, codes, TWO)
    assert (abstaining.confidences(scores, TWO) >= found.confidence).mean() > 0.6 * best


def test_rows_of_one_confidence_are_kept_together_or_not_at_all() -> None:
    confidence = np.repeat([0.9, 0.8], 100)
    hit = np.repeat([True, False], 100)
    assert assured_count(confidence, hit, 0.9) == 100
    assert assured_count(np.full(200, 0.9), hit, 0.9) == 0
    assert assured_count(np.empty(0), np.empty(0, bool), 0.5) == 0


def test_coverage_and_confidence_are_taken_as_they_are_stated() -> None:
    _, scores, codes = drawn(1000, 11)
    covered = abstaining.settle("coverage", 0.9, scores, codes, TWO)
    assert (abstaining.confidences(scores, TWO) >= covered.confidence).mean() == pytest.approx(0.9, abs=0.002)
    stated = abstaining.settle("confidence", 0.8, scores, codes, TWO)
    assert stated.confidence == 0.8
    assert stated.coverage == pytest.approx((scores.max(axis=1) >= 0.8).mean())
    everything = abstaining.settle("coverage", 1.0, scores, codes, TWO)
    assert everything.confidence == 0.0
    nothing = abstaining.settle("accuracy", 1.0, scores, codes, TWO)
    assert not nothing.kept
    assert nothing.confidence == 1.0


def test_a_trained_model_is_sealed_with_what_was_settled_and_answers_by_it(tmp_path: Path) -> None:
    asked = settings(
        learners=("random_forest",), calibrate="isotonic",
        costs={"false_positive": 1.0, "false_negative": 4.0}, abstain={"accuracy": 0.85},
    )  # fmt: skip
    training = train(rows(), asked)
    again = train(rows(), asked)
    key = SigningKey.create(tmp_path / "key")
    bundle = write_bundle(training.candidate, tmp_path / "a", key)
    assert write_bundle(again.candidate, tmp_path / "b", key) == bundle
    model = load(tmp_path / "a", [key.public])
    found = training.decisions
    assert found is not None
    assert found.calibration is not None
    assert found.threshold is not None
    assert found.abstention is not None
    assert model.signature.threshold == found.threshold.threshold.value
    assert model.signature.confidence == found.abstention.confidence
    features = training.holdout[["size", "price"]]
    scores = model.probabilities(features)
    raw = training.candidate.pipeline.predict_proba(features)
    calibration = training.candidate.calibration
    assert calibration is not None
    np.testing.assert_allclose(scores, calibration.reference(raw), atol=1e-12)
    for one, p in zip(model.predict(features), scores, strict=True):
        assert one["label"] == ("yes" if p[1] > model.signature.threshold else "no")
        assert one["abstained"] == (one["probabilities"][one["label"]] < model.signature.confidence)
    assert msgspec.convert(found.plain(), type(found)) == found
    assert len(found.lines()) == 3


def test_a_threshold_by_hand_and_nothing_else_changes_nothing_else() -> None:
    plain, moved = train(rows(), settings(calibrate=False)), train(rows(), settings(calibrate=False, threshold=0.3))
    assert plain.candidate.signature == msgspec.structs.replace(moved.candidate.signature, threshold=0.5)
    assert plain.candidate.calibration is moved.candidate.calibration is None
    assert moved.metrics["recall"] > plain.metrics["recall"]
    assert moved.metrics["log_loss"] == plain.metrics["log_loss"]


def test_what_a_task_cannot_have_is_refused() -> None:
    three = rows().assign(bought=lambda t: np.where(t["size"] > 0.5, "maybe", t["bought"]))
    model = ModelSettings(name="shop", task="classification", target="bought", id="key")
    for rules, key in (({"threshold": 0.3}, "threshold"), ({"costs": {"false_positive": 1.0}}, "costs")):
        asked = Settings(model=model, train=TrainSettings(learners=("logistic",), trials=1, folds=3, **rules))  # type: ignore[arg-type]
        with pytest.raises(ConfigInvalid, match=f"train.{key}"):
            train(three, asked)
