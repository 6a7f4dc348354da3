"""Verbs that go on until stopped: how long they wait between two times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import StoreFailed
from fairlead.doors.cli import processes


@pytest.mark.parametrize(("every_s", "fails", "waited"), [
    (3600.0, 0, [3600.0, 3600.0]),  # `backup --every 3600` is once an hour
    (5.0, 3, [10.0, 20.0, 40.0, 5.0]),
    (3600.0, 2, [60.0, 60.0, 3600.0]),
])  # fmt: skip
def test_a_verb_waits_as_it_was_told_and_longer_after_each_failure(
    monkeypatch: pytest.MonkeyPatch, every_s: float, fails: int, waited: list[float]
) -> None:
    found: list[float] = []

    class Stop:
        def is_set(self) -> bool:
            return len(found) == len(waited)

        def wait(self, seconds: float) -> None:
            found.append(seconds)

    def what() -> str:
        if len(found) < fails:
            raise StoreFailed("away")
        return ""

    monkeypatch.setattr(processes, "stop_on_signal", Stop)
    monkeypatch.setattr("fairlead.ops.flow.lifeline.die_with_parent", lambda: None)
    processes.repeat(what, every_s)
    assert found == waited


@given(st.integers(1, 1 << 40), st.floats(0.01, 1e6))
def test_no_number_of_failures_ends_it(failures: int, every_s: float) -> None:
    assert 0 < processes.pause_after(failures, every_s) <= 60.0
