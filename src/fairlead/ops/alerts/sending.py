"""Handing messages to channels in threads of their own, so that one that hangs holds nothing up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from fairlead.contract.errors import FairleadError
from fairlead.contract.incidents import Alert
from fairlead.contract.ports import AlertChannel
from fairlead.ops.state.rows import DeliveryRow

if TYPE_CHECKING:
    from fairlead.ops.alerts.outbox import Outbox

SEND_S = 10.0
"""The bound of the port: a send that takes longer counts as failed."""


class Delivered(msgspec.Struct, frozen=True):
    """What one pass did. sent, failed: tries that ended in it. waiting: messages and deliveries still to come."""

    sent: int
    failed: int
    waiting: int


class Result(msgspec.Struct, frozen=True):
    """How one try ended. error: empty if it was taken. tried: False if an earlier failure made it pointless."""

    delivery: DeliveryRow
    error: str
    tried: bool = True


class Job:
    """Messages on their way to one channel. A daemon thread: a channel that hangs must not keep us from ending."""

    def __init__(self, channel: AlertChannel, work: Sequence[tuple[DeliveryRow, Alert]]) -> None:
        self._channel = channel
        self._work = tuple(work)
        self._results: list[Result] = []
        self._began = time.monotonic()
        self._at = 0
        self._given_up = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fairlead-alerts", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the channel still has our thread."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until all is tried, at most `seconds`."""
        self._thread.join(max(0.0, seconds))

    def take(self) -> list[Result]:
        """Results that came since; once a try is overdue it, and all behind it, count as failed."""
        with self._lock:
            done, self._results = self._results, []
            if self._given_up or not self.alive or time.monotonic() - self._began < SEND_S:
                return done
            self._given_up = True
            left = self._work[self._at :]
            why = f"no answer within {SEND_S:.0f} s"
            return done + [Result(delivery, why, tried=n == 0) for n, (delivery, _) in enumerate(left)]

    def _run(self) -> None:
        broken = ""
        for delivery, alert in self._work:
            error = broken
            if not broken:
                with self._lock:
                    self._began = time.monotonic()
                error = _send(self._channel, alert)
            with self._lock:
                if self._given_up:
                    return
                self._at += 1
                self._results.append(Result(delivery, error, tried=not broken))
            broken = error


def _send(channel: AlertChannel, alert: Alert) -> str:
    try:
        tell = getattr(channel, "tell", None)
        if tell is None:
            channel.send(alert.title, alert.body)
        else:
            tell(illustrated(alert) if getattr(channel, "pictures", False) else alert)
    except FairleadError as error:
        return str(error) or type(error).__name__
    except Exception as error:
        # A third party's channel may raise anything, and its text may hold an address.
        return f"failed: {type(error).__name__}"
    return ""


def illustrated(alert: Alert) -> Alert:
    """The alert with a plot, where there is something to show. A plot that cannot be drawn keeps no message back."""
    from fairlead.ops.alerts.plotting import picture_of

    try:
        picture = picture_of(alert.incident.trend if alert.incident is not None else None)
    except Exception:
        return alert
    return msgspec.structs.replace(alert, picture=picture)


class Courier:
    """A thread that delivers every `every_s` seconds until stopped. What goes wrong is given to `on_error`."""

    def __init__(
        self, outbox: Outbox, every_s: float = 5.0, on_error: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        self._outbox, self._every_s, self._on_error = outbox, every_s, on_error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fairlead-courier", daemon=True)

    def start(self) -> Courier:
        """Begin."""
        self._thread.start()
        return self

    def stop(self, within_s: float = 5.0) -> None:
        """End after the pass in progress; messages not sent stay in the database for the next one."""
        self._stop.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._outbox.deliver()
            except FairleadError as error:
                self._on_error(error)
            self._stop.wait(self._every_s)
