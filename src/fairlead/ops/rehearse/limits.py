"""What holds a retraining back or asks for it beside findings, as the loop knows it live: labels, losses, what was
spent."""

from __future__ import annotations

import msgspec

from fairlead.ops.flow.situating import excess_of, rows_per_day
from fairlead.ops.flow.situation import Situation, Spent
from fairlead.ops.flow.spending import MONTH_S
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.watching import Watch


class Ledger:
    """Retrainings of one policy, each with the fits it asked for.

    fit_s: CPU seconds of a fit, one figure for the whole rehearsal: what a single fit happens to take on a busy
    machine must not change what a policy does.
    """

    def __init__(self, fit_s: float) -> None:
        self.fit_s = fit_s
        self._entries: list[tuple[float, int]] = []

    def enter(self, at: float, fits: int) -> None:
        """One retraining at event time `at`."""
        self._entries.append((at, fits))

    def spent(self, now: float) -> Spent:
        """Of the last 30 days before event time `now`, as the loop counts them."""
        lately = [fits for at, fits in self._entries if now - MONTH_S < at <= now]
        newest = self._entries[-1][1] if self._entries else 0
        return Spent(len(lately), sum(lately) * self.fit_s, newest * self.fit_s)


def new_labels(history: History, trained_to: float, scored: int) -> int:
    """Labels of windows that ended after event time `trained_to`, up to the newest one that has its labels."""
    return sum(slot.rows for slot in history.slots[: scored + 1] if slot.end > trained_to)


def with_limits(situation: Situation, history: History, watch: Watch, ledger: Ledger, now: float) -> Situation:
    """The situation with labels since the champion learned, its loss above the promise, the pace of rows and what
    retrainings took."""
    champion = situation.champion
    return msgspec.structs.replace(
        situation,
        new_labels=0 if champion is None else new_labels(history, champion.trained_to, situation.scored_window),
        excess=excess_of(watch.promise),
        rows_per_day=rows_per_day(watch.windows),
        spent=ledger.spent(now),
    )
