"""Where the time of a tick goes: every 64th tick is measured, so that measuring costs the others one addition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from fairlead.contract.ports import Request
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.counters import Counters

EVERY = 64
LAYERS = ("wait", "parse", "predict", "render", "capture", "reply", "unlike")
SECONDS: tuple[float, ...] = (
    *(1e-05, 2.5e-05, 5e-05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
REQUESTS: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

Lap = Callable[[str], None]


class Layers:
    """Called by the data plane alone: `lap = begin(requests)`, then `lap(name)` after each layer, then `end(lap)`."""

    def __init__(self, counters: Counters) -> None:
        self._counters, self._cells = counters, counters.cells
        self._in_flight = counters.index(("in_flight",))
        # What a worker that was killed had in its hands is nobody's now.
        self._cells[self._in_flight] = 0.0
        self._ticks = -1
        self._at = 0.0
        self._spent: dict[str, float] = {}

    def begin(self, requests: Sequence[Request]) -> Lap | None:
        """What to call after each layer of this tick; None when it is not measured."""
        self._cells[self._in_flight] = len(requests)
        self._ticks += 1
        if self._ticks % EVERY:
            return None
        self._spent = {"wait": max(0.0, steady() - min(request.arrived for request in requests))} if requests else {}
        self._counters.observe(("tick_requests",), float(len(requests)), REQUESTS)
        self._at = perf_counter()
        return self._lap

    def _lap(self, layer: str) -> None:
        now = perf_counter()
        self._spent[layer] = self._spent.get(layer, 0.0) + now - self._at
        self._at = now

    def end(self, lap: Lap | None) -> None:
        """The tick is over."""
        self._cells[self._in_flight] = 0.0
        if lap is not None:
            for layer, seconds in self._spent.items():
                self._counters.observe(("layer", layer), seconds, SECONDS)
