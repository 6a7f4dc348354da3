"""What a search will take, told before it begins."""

from __future__ import annotations

from itertools import count

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.evidence import Interval
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.train import material_of
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fit_time import FitTime, Forecast, forecast, power_law, told
from fairlead.lab.train.fitting import learner_of
from fairlead.lab.train.folding import folds_of


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.6, 2.0])
def test_a_law_that_holds_is_found(exponent: float) -> None:
    points = [(rows, 1e-5 * rows**exponent) for rows in (100, 200, 400, 800)]
    found, seconds = power_law(points, 6400)
    assert found == pytest.approx(exponent)
    assert seconds.value == pytest.approx(1e-5 * 6400**exponent, rel=1e-6)


def test_intervals_hold_on_times_that_vary() -> None:
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        points = [(rows, 1e-4 * rows**1.1 * float(random.lognormal(0, 0.1))) for rows in (100, 200, 400, 800)]
        _, seconds = power_law(points, 6400)
        inside += seconds.low <= 1e-4 * 6400**1.1 <= seconds.high
    assert inside >= 0.9 * 300


def test_two_points_say_little() -> None:
    _, seconds = power_law([(100, 1.0), (200, 2.0)], 800)
    assert (seconds.low, seconds.value, seconds.high) == (4.0, 8.0, 16.0)


def bench_of(rows: int) -> Bench:
    random = np.random.default_rng(1)
    size = random.normal(size=rows)
    frame = pd.DataFrame({"size": size, "sold": 3 * size + random.normal(size=rows)})
    material = material_of(frame, Settings(model=ModelSettings(name="m", task="regression", target="sold")))
    return Bench(material, folds_of(material, 4, 0))


def test_a_small_search_is_not_forecast() -> None:
    assert forecast(bench_of(400), [learner_of("ridge")], trials=100, seed=0) is None
    assert forecast(bench_of(8000), [learner_of("ridge")], trials=2, seed=0) is None


def test_a_long_one_is() -> None:
    """By a clock on which every fit takes a second for a hundred rows."""
    bench, ticks = bench_of(8000), count()
    sizes = [max(round(share * 6000), 50) for share in (1 / 64, 1 / 32, 1 / 16, 1 / 8)]
    gone = [0.0]

    def clock() -> float:
        at = next(ticks)
        if at % 2:
            gone[0] += sizes[(at // 2) % 4] / 1000
        return gone[0]

    found = forecast(bench, [learner_of("ridge"), learner_of("linear")], trials=5, seed=0, clock=clock)
    assert found is not None
    assert [one.learner for one in found.learners] == ["ridge", "linear"]
    assert found.fits == 5 * 4 + 1
    assert found.seconds.value == pytest.approx(21 * 6.0, rel=0.05)
    assert found.seconds.low < found.seconds.value < found.seconds.high


def test_it_is_told_in_a_sentence() -> None:
    one = FitTime("ridge", ((100, 1.0),), 1.0, Interval(60.0, 50.0, 70.0))
    text = told(Forecast((one,), 21, Interval(1260.0, 1000.0, 1500.0)), 120.0)
    assert text == "21 fits will take about 21 min (17 min to 25 min); [train] seconds ends it after 2 min"
