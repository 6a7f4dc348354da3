"""Kinds of change are told apart where labels allow, seldom wrongly, and not at all where they do not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from fairlead.lab.stats.shift_kinds import Known, known_of, prior_by_scores, shift_of

USUAL = 0.3
EDGES = np.arange(1, 20) / 20


def means(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(USUAL / (1 - USUAL)) + 1.2 * x - 0.72)


def world(rng: np.random.Generator, n: int, prior: float = USUAL, moved: float = 0.0, meaning: float = 0.0) -> Any:
    """Scores of a calibrated model, and events, where classes, inputs or what inputs mean have changed."""
    y = rng.random(n) < prior
    x = rng.normal(np.where(y, 1.2, 0.0), 1.0) + moved
    if moved or meaning:
        y = rng.random(n) < 1 / (1 + np.exp(-(means(x) + meaning * x)))
    return 1 / (1 + np.exp(-means(x))), y


@pytest.fixture(scope="module")
def known() -> Known:
    scores, _ = world(np.random.default_rng(0), 5000)
    counts = np.bincount(np.searchsorted(EDGES, scores, side="right"), minlength=20).astype(float)
    return known_of(counts, EDGES, (np.arange(20) + 0.5) / 20)


def verdicts(known: Known, runs: int, n: int, **change: float) -> Counter[Any]:
    rng = np.random.default_rng(1)
    found: Counter[Any] = Counter()
    for _ in range(runs):
        scores, event = world(rng, n, **change)
        told = shift_of(known, scores, event, np.arange(n) * 40 // n)
        found[told.kind if told else None] += 1
    return found


CASES = [
    ("none", {}, 1000, 0.75), ("prior", {"prior": 0.45}, 1000, 0.85), ("covariate", {"moved": 0.6}, 1000, 0.85),
    ("covariate", {"moved": -0.6}, 1000, 0.85), ("concept", {"meaning": -0.8}, 1000, 0.9),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "n", "least"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_clear_change_is_called_what_it_is(
    known: Known, kind: str, change: dict[str, float], n: int, least: float
) -> None:
    found = verdicts(known, 60, n, **change)
    assert found[kind] >= least * 60
    wrong = 60 - found[kind] - found["inconclusive"] - found["none"]
    assert wrong <= 6


def test_few_labels_are_inconclusive_rather_than_wrong(known: Known) -> None:
    found = verdicts(known, 100, 200, prior=0.45)
    assert found["inconclusive"] + found["prior"] + found["none"] >= 92
    assert shift_of(known, *world(np.random.default_rng(0), 25), np.arange(25)) is None


def test_the_prior_by_scores_alone_has_an_interval_that_covers(known: Known) -> None:
    rng, held = np.random.default_rng(3), []
    for _ in range(200):
        scores, _ = world(rng, 400, prior=0.5)
        found = prior_by_scores(known, scores, np.arange(400) // 10)
        assert found is not None
        held.append(found.low <= 0.5 <= found.high)
    assert np.mean(held) >= 0.92


def test_scores_that_tell_classes_apart_no_better_than_chance_say_nothing() -> None:
    flat = known_of(np.full(20, 10.0), EDGES, np.full(20, 0.3))
    assert prior_by_scores(flat, np.full(50, 0.3), np.arange(50)) is None


@pytest.mark.long
@pytest.mark.parametrize(("kind", "change", "n", "least"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_clear_change_is_called_what_it_is_in_many_runs(
    known: Known, kind: str, change: dict[str, float], n: int, least: float
) -> None:
    found = verdicts(known, 1000, n, **change)
    wrong = 1000 - found[kind] - found["inconclusive"] - found["none"]
    assert wrong <= 40, found
    assert found[kind] >= least * 1000, found
