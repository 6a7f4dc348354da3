"""The clock of deadlines and durations: it reads as the wall clock did when the server started, and is never set.

Somebody sets the wall clock, or a daemon does; by it, a request in hand would be an hour late, or answered before it
came. So moments that are compared are of `steady`, in all processes of a server alike, since they are forked after it
was made; and whoever writes a moment down for people adds what the wall clock was set by since (`stepped`).
"""

from __future__ import annotations

import time

from fairlead.contract.ports import Clock

_SET_S = 0.1
"""What the clocks are apart by at least when one was set. Daemons that keep time set it by more (ntpd by 128 ms) and
else make both run slower or faster; what is less is this process having waited between two looks."""


def steady_clock(wall: Clock = time.time, timer: Clock = time.monotonic) -> Clock:
    """A clock that begins as `wall` and goes on as `timer`, whatever becomes of the wall clock."""
    began = wall() - timer()

    def now() -> float:
        return timer() + began

    return now


def stepped(now: float, wall: float) -> float:
    """Seconds that make a moment of `steady` the time of day. now, wall: both clocks, looked at together."""
    apart = wall - now
    return apart if abs(apart) > _SET_S else 0.0


steady: Clock = steady_clock()


def time_of_day(moment: float) -> float:
    """What the wall clock, as it is set now, calls a moment of `steady`."""
    return moment + stepped(steady(), time.time())
