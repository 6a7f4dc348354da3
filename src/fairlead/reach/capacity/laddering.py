"""Which rates to measure: up until the server no longer carries them, then between the last two."""

from __future__ import annotations

import math
from collections.abc import Callable

from fairlead.reach.capacity.measured import Run, Step

LEAST_RATE, MOST_RATE = 10.0, 1_000_000.0
CLOSE = 1.06
"""Rates a run ends at: the lowest not carried is within this of the highest carried."""
MOST_STEPS = 24

Ask = Callable[[float], Step]
Say = Callable[[Step], None]


def climbed(workers: int, ask: Ask, p99_ms: float, *, begin: float = 100.0, say: Say = lambda step: None) -> Run:
    """Steps that bracket what is carried at this limit: doubling from `begin`, or halving, then in between.

    A rate that was not carried is asked once more before it counts: a moment of the machine's own is no limit of the
    server. Ends after MOST_STEPS.
    """
    steps: list[Step] = []

    def tried(rate: float) -> bool:
        found = ask(rate)
        say(found)
        if not found.carried(p99_ms) and len(steps) < MOST_STEPS:
            again = ask(rate)
            say(again)
            found = again if again.carried(p99_ms) else found
        steps.append(found)
        return found.carried(p99_ms)

    good, bad = 0.0, math.inf
    rate = begin
    while len(steps) < MOST_STEPS:
        if tried(rate):
            good = rate
        else:
            bad = rate
        if good == 0.0:
            if bad <= LEAST_RATE:
                break
            rate = max(LEAST_RATE, bad / 2)
        elif bad == math.inf:
            rate = good * 2
            if rate > MOST_RATE:
                break
        elif bad / good <= CLOSE:
            break
        else:
            rate = math.sqrt(good * bad)
        rate = float(f"{rate:.3g}")
    return Run(workers=workers, steps=tuple(sorted(steps, key=lambda step: step.rate)))


def listed(workers: int, ask: Ask, rates: tuple[float, ...], *, say: Say = lambda step: None) -> Run:
    """Steps at the rates that somebody named."""
    steps = []
    for rate in sorted(rates):
        steps.append(ask(rate))
        say(steps[-1])
    return Run(workers=workers, steps=tuple(steps))
