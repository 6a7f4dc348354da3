"""Poisoned feedback: blocks of wrong labels are found and left out, everyday differences and changes are not."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.events import Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.ops.monitor import calibrate
from fairlead.ops.monitor.checks.poisoned import PoisonedLabels, spreads_in
from fairlead.ops.monitor.doubtful import CALLER, KEY, TIME, Doubt, doubtful_labels, kinds_of
from fairlead.ops.monitor.scattered import Scattered, Spread, scattered_labels
from fairlead.ops.monitor.seen import Rows, Seen

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


def quiet(random: np.random.Generator, between: float, labels: int = 420) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and classes; stretches of 25 labels that came together differ by `between` in the logit."""
    logit = random.normal(-0.5, 1.5, labels)
    level = np.repeat(between * random.standard_normal(labels // 25 + 1), 25)[:labels]
    truth = random.random(labels) < 1 / (1 + np.exp(-logit - level))
    return 1 / (1 + np.exp(-logit)), truth.astype(float)


def runs(p: np.ndarray, truth: np.ndarray, earlier: list[Spread], allowed: float = 0.004) -> Scattered:
    found = scattered_labels((p - truth) ** 2, np.column_stack([1 - p, p]), np.arange(len(p)), earlier, allowed)
    assert found is not None
    return found


def earlier_windows(random: np.random.Generator, between: float, windows: int = 8) -> list[Spread]:
    return [runs(*quiet(random, between), []).spread for _ in range(windows)]


def test_wrong_labels_in_blocks_all_over_a_window_are_found_together_where_no_run_stands_out() -> None:
    random = np.random.default_rng(11)
    together = alone = 0
    for _ in range(20):
        earlier = earlier_windows(random, 0.2)
        p, truth = quiet(random, 0.2)
        wrong = (np.random.default_rng(0).permutation(17) < 4)[np.minimum(np.arange(420) // 25, 16)]
        told = np.where(wrong, 1 - truth, truth)
        found = runs(p, told, earlier)
        assert found.block is not None
        together += found.block.suspicious
        times = {TIME: kinds_of(Rows(columns={}, times=np.arange(420.0)), np.arange(420))[TIME]}
        alone += bool(doubtful_labels((p - told) ** 2, np.column_stack([1 - p, p]), times).left_out.any())
        if found.block.suspicious:
            assert found.block.low < found.block.excess < found.block.high
            assert wrong[found.rows].mean() > 0.5
    assert together >= 12
    assert alone <= together / 2


@pytest.mark.parametrize("between", [0.0, 0.5, 1.0])
def test_runs_that_differ_as_they_always_do_are_no_poison(between: float) -> None:
    random = np.random.default_rng(12)
    allowed, alarms = 0.02, 0
    for _ in range(15):
        earlier = earlier_windows(random, between)
        for _ in range(6):
            block = runs(*quiet(random, between), earlier, allowed).block
            alarms += block is not None and block.suspicious
    assert alarms <= 90 * allowed + 3 * np.sqrt(90 * allowed)


@pytest.mark.parametrize(("first", "last"), [(200, 420), (120, 240), (0, 420)], ids=["stays", "an event", "all of it"])
def test_one_stretch_that_is_apart_is_a_change_or_an_event_and_not_scattered(first: int, last: int) -> None:
    random = np.random.default_rng(13)
    for _ in range(10):
        earlier = earlier_windows(random, 0.2)
        p, truth = quiet(random, 0.2)
        at = (np.arange(420) >= first) & (np.arange(420) < last) & (random.random(420) < 0.6)
        block = runs(p, np.where(at, 1 - truth, truth), earlier).block
        assert block is None or not block.suspicious


def test_few_labels_and_few_windows_say_nothing() -> None:
    p, truth = quiet(np.random.default_rng(14), 0.2)
    assert scattered_labels(truth[:150], np.column_stack([1 - p, p])[:150], np.arange(150), [], 0.01) is None
    turned = np.where(np.arange(420) // 25 % 4 == 0, 1 - truth, truth)
    found = runs(p, turned, [Spread(1.0, 17.0)] * 3)
    assert found.block is None
    assert not found.rows.any()


def test_scattered_poison_is_told_by_the_check_once_four_windows_were_quiet() -> None:
    random = np.random.default_rng(15)
    signature = Signature("classification", (Column("a", "number"),), target="y", classes=("no", "yes"), positive="yes")
    settings = Settings(model=ModelSettings(name="m", task="classification", target="y", positive="yes", time="at"))
    columns = {"a": random.normal(size=420)}
    bins = bins_for(columns, signature)
    live = profile(columns, bins, start=0.0, end=420.0)
    reference = Reference(profile=live, blocks=(live,))
    memory, told = None, []
    for window in range(6):
        p, truth = quiet(random, 0.2)
        if window == 5:
            truth = np.where(np.arange(420) // 25 % 4 == 0, 1 - truth, truth)
        labels = np.where(truth > 0.5, "yes", "no").astype(object)
        rows = Rows(
            columns,
            np.arange(420) * 60.0,
            np.column_stack([1 - p, p]),
            labels=labels,
            labelled=np.ones(420, dtype=bool),
        )
        seen = Seen(
            Window("m", window, 0.0, 420 * 60.0, rows=420, state="scored"), live, reference,
            calibrate(reference, settings), settings, signature, rows=rows, memory=memory,
        )  # fmt: skip
        told.append(PoisonedLabels().look(seen, 0.01))
        memory = seen.kept[0] if seen.kept else memory
    assert told[:5] == [[]] * 5
    (finding,) = told[5]
    assert (finding.area, finding.check, finding.segment) == ("labels", "poisoned_arrival", "arrival in short runs")
    assert finding.low < finding.size < finding.high
    assert len(spreads_in(memory)) == 5, "the window that is doubted teaches nothing"
