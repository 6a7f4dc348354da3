"""What every variant of the port `drift_detector` must do, ours and third parties' alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fairlead.contract.plugins import names, variant
from fairlead.ops.monitor.detecting import Stream

WINDOWS = 14
ALLOWED = 1 / 43


@pytest.fixture(params=names("drift_detector"))
def detector(request: pytest.FixtureRequest) -> Any:
    if request.param != "confidence_sequence":
        pytest.importorskip("river", reason="the extra drift is not installed")
    return variant("drift_detector", request.param, extra="drift")()


def stream(risen: float = 0.0, after: int = 10, windows: int = WINDOWS, seed: int = 0) -> Stream:
    """Losses of half-sure answers, that rise after a window."""
    rng = np.random.default_rng(seed)
    wrong = [(rng.random(200) < 0.2 + (risen if i >= after else 0.0)).astype(np.float64) for i in range(windows)]
    rows = [0.1 + 0.5 * w for w in wrong]
    held = np.asarray([(rng.random(200) < 0.2).mean() * 0.5 + 0.1 for _ in range(12)]) - 0.2
    return Stream(np.asarray([r.mean() for r in rows]) - 0.2, held, rows, wrong, ALLOWED)


def test_it_has_a_name_and_says_whether_it_keeps_a_budget(detector: Any) -> None:
    assert detector.name in names("drift_detector")
    assert isinstance(detector.calibrated, bool)


def test_a_large_rise_is_found_within_four_windows(detector: Any) -> None:
    told = [detector.detect(stream(0.35, after=10, windows=10 + more)) for more in (1, 4)]
    found = next(t for t in told if t is not None)
    assert 0 <= found.since < 14
    assert found.evidence >= found.limit


def test_it_is_deterministic_and_leaves_the_stream_as_it_is(detector: Any) -> None:
    once = stream(0.3, windows=12)
    before = [r.copy() for r in once.rows]
    assert detector.detect(once) == detector.detect(once)
    assert all((a == b).all() for a, b in zip(before, once.rows, strict=True))


def test_it_is_silent_on_nothing_and_where_losses_fall(detector: Any) -> None:
    nothing = Stream(np.zeros(0), np.zeros(0), [], [], ALLOWED)
    assert detector.detect(nothing) is None
    assert detector.detect(stream(windows=1)) is None
    for seed in range(5):
        assert detector.detect(stream(-0.15, after=10, windows=12, seed=seed)) is None


@pytest.mark.parametrize("name", [n for n in names("drift_detector") if variant("drift_detector", n).calibrated])
def test_false_alarms_of_those_that_promise_a_budget_are_within_it(name: str) -> None:
    detector = variant("drift_detector", name)()
    # Of 100 streams that nothing happens in, each looked at once after 20 windows, 20 / 43 may alarm.
    alarms = sum(detector.detect(stream(windows=20, seed=seed)) is not None for seed in range(100))
    assert alarms <= 46
