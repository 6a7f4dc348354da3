"""A learner of streams rehearsed on Agrawal's loans: its versions are back soon after the rule changes."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.settings import ModelSettings, MonitorSettings, RetrainSettings, Settings
from fairlead.ops.rehearse import agrawal, rehearse
from fairlead.ops.rehearse.along import along
from fairlead.ops.rehearse.history import history_of

pytest.importorskip("river", reason="river is not installed: pip install 'fairlead[drift]'")
WEEKS, CHANGE, ROWS, LEARNT = 40, 20, 400, 10


def project(delay: str = "7d", seal: str = "labels:400", learner: str = "online_tree") -> Settings:
    return Settings(
        model=ModelSettings(name="loans", task="classification", target="approved", positive="1", time="at"),
        monitor=MonitorSettings(window="7d", label_delay=delay),
        retrain=RetrainSettings(online=learner, seal=(seal,)),
    )


def windows_until_half(series: list[float]) -> int:
    """Windows after the change until half of what it cost is regained, for good; -1: never."""
    at = CHANGE - LEARNT
    before = float(np.mean(series[at - 4 : at]))
    half = before + 0.5 * (max(series[at : at + 2]) - before)
    late = [number for number, value in enumerate(series[at:]) if value > half]
    return 0 if not late else -1 if late[-1] + 1 == len(series) - at else late[-1] + 1


@pytest.mark.long
@pytest.mark.verified(
    "engines", "Streaming learners", how="run", by="rehearsed on Agrawal's generator beside never and always retrained"
)
def test_rehearsed_beside_the_policies_it_recovers_and_says_how_fast() -> None:
    table = agrawal(WEEKS * ROWS, (2, 5), change_at=CHANGE * ROWS, seed=1, rows_per_week=ROWS)
    change = table["at"].iloc[CHANGE * ROWS].timestamp()
    found = rehearse(
        table, project(), policies=("never", "performance"), learner="decision_tree", truth=[change],
        learnt=LEARNT, shuffled=0,
    )  # fmt: skip
    at = CHANGE - LEARNT
    for name in ("never", "performance", "online"):
        series = found.policy(name).series
        print(
            f"{name}: before {np.mean(series[at - 4 : at]):.3f}, first window {series[at]:.3f}, "
            f"last four {np.mean(series[-4:]):.3f}, windows until half is regained {windows_until_half(list(series))}"
        )
    online, never = found.policy("online"), found.policy("never")
    assert online.details["learner"] == "online_tree"
    assert windows_until_half(list(never.series)) == -1
    assert 0 < windows_until_half(list(online.series)) <= 10
    assert np.mean(online.series[-4:]) < np.mean(never.series[-4:]) - 0.1


def test_nothing_is_known_before_its_label_came() -> None:
    table = agrawal(16 * 100, (2, 5), change_at=8 * 100, seed=1, rows_per_week=100)

    def errors(delay: str) -> np.ndarray:
        history = history_of(table, project(delay, "labels:100", "online_linear"), learnt=4)
        sums = along(history)
        assert sums[:, 1].tolist() == [history.slots[w].rows for w in history.judged]
        return sums[:, 0]

    static, late = errors("700d"), errors("28d")
    # For as many weeks as labels take nothing can be learned: the answers are those of the first version.
    assert late[:4].tolist() == static[:4].tolist()
    assert late[4:].tolist() != static[4:].tolist()
