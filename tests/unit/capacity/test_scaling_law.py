"""The universal scalability law: known parameters are recovered, intervals hold as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import Inconclusive
from fairlead.reach.capacity.law import Point, carried, fit_law

WORKERS = (1, 2, 4, 8, 16)
TRUE = (1200.0, 0.06, 0.0011)


def exact(parameters: tuple[float, float, float], workers: tuple[int, ...] = WORKERS) -> list[Point]:
    return [Point(n, carried(n, *parameters), carried(n, *parameters)) for n in workers]


@given(
    st.floats(1.0, 1e5), st.floats(0.0, 0.6), st.floats(0.0, 0.02),
)  # fmt: skip
def test_without_noise_the_law_is_found_exactly(rate: float, contention: float, coherency: float) -> None:
    law = fit_law(exact((rate, contention, coherency)))
    assert law.rate[0] == pytest.approx(rate, rel=1e-6)
    assert law.contention[0] == pytest.approx(contention, abs=1e-6)
    assert law.coherency[0] == pytest.approx(coherency, abs=1e-6)
    if coherency > 1e-4:
        assert law.peak == pytest.approx(math.sqrt((1 - contention) / coherency), rel=1e-2)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Brackets that a ladder would find, 2 % of noise beside them; 95 % intervals of what 12 and 24 workers carry."""
    random = np.random.default_rng(5)
    rounds, inside = 150, {12: 0, 24: 0}
    for _ in range(rounds):
        points = []
        for n in WORKERS:
            found = carried(n, *TRUE) * (1 + 0.02 * random.standard_normal())
            low = found * (1 - 0.06 * random.random())
            points.append(Point(n, low, low * 1.06))
        law = fit_law(points)
        for n in inside:
            _, low, high = law.at(n)
            inside[n] += low <= carried(n, *TRUE) <= high
    for n, count in inside.items():
        assert count / rounds >= 0.88, (n, count)
        assert count / rounds <= 1.0


def test_intervals_are_of_use() -> None:
    law = fit_law([Point(n, carried(n, *TRUE) * 0.98, carried(n, *TRUE) * 1.03) for n in WORKERS])
    expected, low, high = law.at(8)
    assert low < expected < high
    assert (high - low) / expected < 0.1
    assert law.rate[1] < TRUE[0] < law.rate[2]


def test_few_numbers_of_workers_say_what_they_assume() -> None:
    one, two, three = (fit_law(exact(TRUE, WORKERS[:count])) for count in (1, 2, 3))
    assert "add up" in one.assumed
    assert one.at(4)[0] == pytest.approx(4 * TRUE[0])
    assert "κ = 0" in two.assumed
    assert two.coherency == (0.0, 0.0, 0.0)
    assert three.assumed == ""
    assert three.within(3)
    assert not three.within(5)


def test_neither_term_is_below_nought_where_noise_says_so() -> None:
    law = fit_law([Point(1, 100.0, 100.0), Point(2, 210.0, 210.0), Point(4, 400.0, 400.0)])
    assert law.contention[0] >= 0
    assert law.coherency[0] >= 0


def test_nothing_measured_is_inconclusive() -> None:
    with pytest.raises(Inconclusive):
        fit_law([Point(1, 0.0, 100.0), Point(2, 100.0, math.inf)])
