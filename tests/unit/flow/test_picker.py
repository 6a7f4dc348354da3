"""How far back to train: all rows while they hold, recent ones once the world changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ops.flow.picker import age_weights, pick
from fairlead.ops.project.learning_from import ALL, parse_ways


def world(windows: int, change: int, rows: int = 100, seed: int = 0) -> list[np.ndarray]:
    """Values per window whose level jumps at `change`."""
    rng = np.random.default_rng(seed)
    return [rng.normal(1.0 if w >= change else 0.0, 0.3, rows) for w in range(windows)]


def learner(values: list[np.ndarray]) -> Any:
    """Fits that answer the mean of their rows, weighted by age if asked to."""

    def fit(first: int, last: int, half_life: float = 0.0) -> float:
        assert 0 <= first <= last < len(values) - 1
        rows = np.concatenate(values[first : last + 1])
        age = np.repeat(np.arange(first, last + 1), [len(values[w]) for w in range(first, last + 1)])
        return float(np.average(rows, weights=age_weights(age, half_life)))

    return fit


def chosen(values: list[np.ndarray]) -> tuple[int, int, int | None]:
    """The picker over models that predict the mean of their rows."""

    choice = pick(len(values), learner(values), lambda mean, w: np.minimum(np.abs(values[w] - mean), 1.0))
    return choice.first, choice.last, choice.span


def test_all_rows_while_nothing_changed() -> None:
    spans = [chosen(world(30, 99, seed=s))[2] for s in range(50)]
    assert np.mean([s is None for s in spans]) >= 0.9


def test_recent_rows_after_a_change_and_the_newest_is_among_them() -> None:
    first, last, span = chosen(world(30, 26))
    assert (first, last, span) == (26, 29, 4)
    first, last, span = chosen(world(40, 24))
    assert (first, last, span) == (24, 39, 16)


def test_a_short_history_is_taken_whole() -> None:
    values = world(3, 99)
    assert chosen(values) == (0, 2, None)
    assert pick(1, lambda a, b, half=0.0: 0.0, lambda m, w: np.zeros(5)).span is None


def test_the_choice_explains_itself() -> None:
    values = world(30, 26)
    choice = pick(30, learner(values), lambda mean, w: np.abs(values[w] - mean))
    assert "the last 4 windows" in choice.why
    assert choice.losses["last 4"] == pytest.approx(min(choice.losses.values()))


@given(st.integers(1, 60), st.integers(0, 1000))
def test_what_is_chosen_always_ends_with_the_newest(windows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice = pick(windows, lambda a, b, half=0.0: (a, b), lambda key, w: rng.random(20))
    assert 0 <= choice.first <= choice.last == windows - 1


def drifting(windows: int, rows: int = 400) -> list[np.ndarray]:
    """Values whose level moves a little every window, in a long history: no span of it is right."""
    rng = np.random.default_rng(0)
    return [rng.normal(0.02 * w + (-3.0 if w < 20 else 0.0), 0.3, rows) for w in range(windows)]


def test_rows_since_a_known_change_are_tried_and_kept_where_no_span_fits() -> None:
    values = world(60, 50)
    ways = parse_ways("auto")[:1] + parse_ways("since_change")
    choice = pick(60, learner(values), lambda mean, w: np.abs(values[w] - mean), ways=ways, since=50)
    assert (choice.first, choice.last, choice.half_life) == (50, 59, 0.0)
    assert "since the newest change" in choice.why
    unknown = pick(60, learner(values), lambda mean, w: np.abs(values[w] - mean), ways=ways, since=None)
    assert unknown.span is None


def test_old_rows_fade_where_the_world_moves_slowly() -> None:
    values = drifting(80)
    ways = (ALL, *parse_ways("weighted:3windows"))
    choice = pick(80, learner(values), lambda mean, w: np.abs(values[w] - mean), ways=ways)
    assert (choice.first, choice.half_life) == (0, 3.0)


def test_a_choice_by_hand_is_taken_without_a_fit() -> None:
    def never(*_asked: Any) -> Any:
        raise AssertionError("nothing is to be fitted")

    def asked(text: str, **more: Any) -> tuple[int, int, float]:
        choice = pick(30, never, never, ways=parse_ways(text), **more)
        return choice.first, choice.last, choice.half_life

    assert asked("all") == (0, 29, 0.0)
    assert asked("last:4") == (26, 29, 0.0)
    assert asked("weighted:14d", window_s=7 * 86_400.0) == (0, 29, 2.0)
    assert asked("since_change", since=20) == (20, 29, 0.0)
    assert asked("since_change") == (0, 29, 0.0)


def test_weights_are_not_tried_where_recent_rows_alone_are_worse() -> None:
    # What happened lately was an exception that is over.
    values = [np.random.default_rng(w).normal(2.0 if 54 < w < 59 else 0.0, 0.3, 100) for w in range(60)]
    tried: list[float] = []
    learn = learner(values)

    def fit(first: int, last: int, half_life: float = 0.0) -> float:
        tried.append(half_life)
        return float(learn(first, last, half_life))

    ways = (ALL, *parse_ways("last:4"), *parse_ways("weighted:8windows"))
    choice = pick(60, fit, lambda mean, w: np.abs(values[w] - mean), ways=ways)
    assert choice.span is None
    assert tried == [0.0, 0.0]


@pytest.mark.parametrize("text", ["", "last", "last:0", "weighted:", "weighted:0d", "weighted:soon", "everything"])
def test_what_is_no_choice_is_refused(text: str) -> None:
    from fairlead.contract.errors import UsageError

    with pytest.raises(UsageError, match=r"no choice of rows|no span"):
        parse_ways(text)
