"""Unusual rows are counted after the replies, for whoever answered them; and who sends most in bounded memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import asking
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.counters import read_counters, slot_files
from fairlead.runtime.serve.observing.unlike import Callers
from fairlead.runtime.serve.worker import open_plane


class Finder:
    """Rows with a large tenure."""

    def find(self, rows: Any) -> list[int]:
        return [at for at, row in enumerate(rows) if row[0] > 100]


def counted(home: Path, settings: dict[str, Any], monkeypatch: Any) -> float:
    """What is counted of three requests with four rows, of which two are unusual."""
    import stand_in

    monkeypatch.setattr(stand_in.StandIn, "unusual", Finder(), raising=False)
    plane = open_plane(0, settings)
    try:
        large = {**asking.ROW, "tenure": 900}
        replies = asking.ask(plane, asking.ROW, large, [asking.ROW, large])
        assert [reply.code for reply in replies] == [200] * 3
        asking.ask(plane, {**large, "contract": 3})
    finally:
        plane.close()
    found = read_counters(slot_files(home / "run", "counters", "test", ".bin"))
    return found["anomalous", "churn", "1", "champion"][0]


def test_unusual_rows_are_counted_and_the_setting_leaves_it(home: Path, monkeypatch: Any) -> None:
    assert counted(home, asking.settings(home), monkeypatch) == 2
    off = {**asking.settings(home), "server": ServeSettings(anomalies=False)}
    assert counted(home, off, monkeypatch) == 2


@given(st.lists(st.integers(0, 40), max_size=400), st.integers(2, 12))
def test_counts_of_callers_are_short_by_at_most_their_share_of_all(senders: list[int], most: int) -> None:
    callers, true = Callers(most), Counter(f"c{one}" for one in senders)
    for one in senders:
        callers.add([f"c{one}"])
    told = dict(callers.take(100))
    assert len(told) <= most
    for mark, number in true.items():
        assert number - len(senders) / most <= told.get(mark, 0) <= number
    assert callers.take(5) == []


def test_nobody_known_is_nobody_told() -> None:
    callers = Callers()
    callers.add([None, "a", None, "b", "a"])
    assert callers.take(5) == [("a", 2), ("b", 1)]
