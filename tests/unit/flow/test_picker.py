"""How far back to train: all rows while they hold, recent ones once the world changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ops.flow.picker import pick


def world(windows: int, change: int, rows: int = 100, seed: int = 0) -> list[np.ndarray]:
    """Values per window whose level jumps at `change`."""
    rng = np.random.default_rng(seed)
    return [rng.normal(1.0 if w >= change else 0.0, 0.3, rows) for w in range(windows)]


def chosen(values: list[np.ndarray]) -> tuple[int, int, int | None]:
    """The picker over models that predict the mean of their rows."""

    def fit(first: int, last: int) -> float:
        assert 0 <= first <= last < len(values) - 1
        return float(np.concatenate(values[first : last + 1]).mean())

    choice = pick(len(values), fit, lambda mean, w: np.minimum(np.abs(values[w] - mean), 1.0))
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
    assert pick(1, lambda a, b: 0.0, lambda m, w: np.zeros(5)).span is None


def test_the_choice_explains_itself() -> None:
    values = world(30, 26)
    choice = pick(
        30, lambda a, b: float(np.concatenate(values[a : b + 1]).mean()), lambda mean, w: np.abs(values[w] - mean)
    )
    assert "the last 4 windows" in choice.why
    assert choice.losses[4] == pytest.approx(min(choice.losses.values()))


@given(st.integers(1, 60), st.integers(0, 1000))
def test_what_is_chosen_always_ends_with_the_newest(windows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice = pick(windows, lambda a, b: (a, b), lambda key, w: rng.random(20))
    assert 0 <= choice.first <= choice.last == windows - 1
