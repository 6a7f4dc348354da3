"""Shares of decisions from histograms are about those of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import profile, score_bins
from fairlead.lab.stats.decision_rates import ABSTAINED, decision_names, decision_rates, decision_score, share_above


def two_classes(threshold: float, confidence: float = 0.0) -> Signature:
    return Signature("classification", (Column("a", "number"),), classes=("no", "yes"), positive="yes",
                     threshold=threshold, confidence=confidence)  # fmt: skip


@pytest.mark.parametrize("threshold", [0.5, 0.31, 0.9])
def test_the_share_of_yes_is_that_of_the_rows(threshold: float) -> None:
    signature = two_classes(threshold)
    yes = np.random.default_rng(0).beta(2, 3, 20_000)
    scores = np.column_stack([1 - yes, yes])
    made = profile({"a": yes}, (), scores=scores, score_bins=score_bins(signature, scores))
    column = next(c for c in made.scores if c.bins.name == decision_score(signature))
    assert decision_names(signature) == ("yes",)
    assert decision_rates([column], signature)[0, 0] == pytest.approx((yes > threshold).mean(), abs=0.005)


def test_rows_left_to_a_person_are_those_between() -> None:
    signature = two_classes(0.5, confidence=0.7)
    yes = np.linspace(0.0, 1.0, 10_001)
    scores = np.column_stack([1 - yes, yes])
    made = profile({"a": yes}, (), scores=scores, score_bins=score_bins(signature, scores))
    found = decision_rates([made.scores[1]], signature)[0]
    assert decision_names(signature) == ("yes", ABSTAINED)
    assert found == pytest.approx([0.5, 0.4], abs=0.001)


@given(threshold=st.floats(-1.0, 2.0), counts=st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_a_share_lies_between_none_and_all(threshold: float, counts: list[int]) -> None:
    found = share_above(np.asarray([counts], dtype=float), [0.2, 0.5, 0.7], threshold)[0]
    assert 0.0 <= found <= 1.0


def test_of_more_classes_and_of_numbers_histograms_do_not_tell_decisions() -> None:
    several = Signature("classification", (Column("a", "number"),), classes=("a", "b", "c"))
    assert decision_names(several) == decision_names(Signature("regression", (Column("a", "number"),))) == ()
