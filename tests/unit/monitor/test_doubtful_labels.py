"""Poisoned feedback: blocks of wrong labels are found and left out, everyday differences and changes are not."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.ops.monitor.doubtful import CALLER, KEY, TIME, Doubt, doubtful_labels, kinds_of
from fairlead.ops.monitor.seen import Rows

CALLERS = np.array([f"c{i}" for i in range(8)], dtype=object)


def asked(random: np.random.Generator, n: int, between: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities that are right on average, classes, callers; callers differ by `between` in the logit."""
    logit = random.normal(-0.5, 1.5, n)
    who = random.integers(0, len(CALLERS), n)
    shifted = logit + between * random.standard_normal(len(CALLERS))[who]
    truth = random.random(n) < 1 / (1 + np.exp(-shifted))
    return 1 / (1 + np.exp(-logit)), truth.astype(float), CALLERS[who]


def judged(p: np.ndarray, truth: np.ndarray, callers: np.ndarray, allowed: float = 0.01) -> Doubt:
    n = len(p)
    keys = np.array([f"{i:06d}" for i in np.random.default_rng(0).permutation(n)], dtype=object)
    rows = Rows(columns={}, times=np.arange(n) * 60.0, passed={"caller": callers, "key": keys})
    kinds = kinds_of(rows, np.arange(n))
    assert set(kinds) == {TIME, KEY, CALLER}
    return doubtful_labels((p - truth) ** 2, np.column_stack([1 - p, p]), kinds, allowed=allowed)


@pytest.mark.parametrize("between", [0.0, 0.4, 1.0], ids=["callers alike", "callers differ", "much"])
def test_everyday_differences_are_not_held_against_anybody(between: float) -> None:
    random = np.random.default_rng(1)
    trials, allowed, alarms = 40, 0.02, 0
    for _ in range(trials):
        alarms += bool(judged(*asked(random, 1500, between), allowed=allowed).left_out.any())
    assert alarms <= trials * allowed + 3 * np.sqrt(trials * allowed)


def test_labels_that_a_caller_turned_around_are_found_and_left_out() -> None:
    random = np.random.default_rng(2)
    found = 0
    for _ in range(20):
        p, truth, callers = asked(random, 2400, 0.2)
        mine = callers == "c3"
        wrong = np.where(mine & (random.random(len(p)) < 0.6), 1 - truth, truth)
        doubt = judged(p, wrong, callers)
        first = doubt.blocks[0]
        found += first.suspicious and (first.by, first.name) == (CALLER, "c3")
        assert not (doubt.left_out & ~mine).any()
        assert first.low < first.excess < first.high
    assert found >= 18


def test_a_stretch_of_wrong_labels_is_poison_and_a_change_that_stays_is_not() -> None:
    random = np.random.default_rng(3)
    p, truth, callers = asked(random, 3000)
    stretch = np.arange(3000) // 300 == 4
    doubt = judged(p, np.where(stretch, 1 - truth, truth), callers)
    assert (doubt.blocks[0].by, doubt.blocks[0].name) == (TIME, "05 of 10")
    assert (doubt.left_out == stretch).all()
    assert "arrival 05 of 10 (300 labels" in doubt.why
    since = np.arange(3000) >= 2400
    changed = judged(p, np.where(since, 1 - truth, truth), callers)
    assert not changed.left_out.any()
    assert sorted(b.name for b in changed.blocks if b.lasts) == ["09 of 10", "10 of 10"]
    assert changed.why == ""


def test_a_stretch_across_two_runs_does_not_hide_itself() -> None:
    random = np.random.default_rng(8)
    p, truth, callers = asked(random, 3000)
    stretch = (np.arange(3000) >= 1350) & (np.arange(3000) < 1650)
    doubt = judged(p, np.where(stretch, 1 - truth, truth), callers)
    assert {block.name for block in doubt.blocks if block.suspicious} == {"05 of 10", "06 of 10"}


def test_a_range_of_keys_is_found() -> None:
    random = np.random.default_rng(4)
    p, truth, callers = asked(random, 3000)
    keys = np.random.default_rng(0).permutation(3000)
    doubt = judged(p, np.where(keys < 300, 1 - truth, truth), callers)
    assert (doubt.blocks[0].by, doubt.blocks[0].name) == (KEY, "01 of 10")


def test_who_sent_labels_and_who_asked_are_kinds_of_their_own() -> None:
    n = 400
    passed = {"caller": CALLERS[np.arange(n) % 8], "label.caller": CALLERS[np.arange(n) % 3]}
    passed["pass.sensor"], passed["pass.note"] = CALLERS[np.arange(n) % 2], CALLERS[np.arange(n) % 4]
    rows = Rows(columns={}, times=np.arange(n) * 60.0, passed=passed)
    assert set(kinds_of(rows, np.arange(n))) == {TIME, CALLER, "sender", "sensor"}


def test_two_sources_say_nothing_of_each_other_until_earlier_windows_do() -> None:
    random = np.random.default_rng(5)
    p, truth, _ = asked(random, 2000)
    two = np.where(np.arange(2000) % 2 == 0, "left", "right").astype(object)
    wrong = np.where(two == "left", np.where(random.random(2000) < 0.5, 1 - truth, truth), truth)
    losses, scores = (p - wrong) ** 2, np.column_stack([1 - p, p])
    unknown = doubtful_labels(losses, scores, {"sensor": two})
    assert not unknown.left_out.any()
    assert not unknown.blocks[0].usual
    known = doubtful_labels(losses, scores, {"sensor": two}, usual={"sensor": 0.005})
    assert known.blocks[0].name == "left"
    assert known.left_out.sum() == 1000


def test_numbers_too_and_little_is_nothing() -> None:
    random = np.random.default_rng(6)
    answers = random.normal(0, 1, (2000, 1))
    losses = np.clip(np.abs(random.normal(0, 0.1, 2000)), 0, 1)
    blocks = np.array([f"b{i % 8}" for i in range(2000)], dtype=object)
    losses[blocks == "b2"] = np.clip(losses[blocks == "b2"] + 0.4, 0, 1)
    assert doubtful_labels(losses, answers, {"batch": blocks}).blocks[0].name == "b2"
    few = doubtful_labels(losses[:40], answers[:40], {"batch": blocks[:40]})
    assert few.blocks == ()
    assert few.left_out.shape == (40,)
