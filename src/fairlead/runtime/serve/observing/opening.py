"""What a worker's settings say about telemetry, made into a watch; the one place that knows which taps there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.observing.watch import Watch
from fairlead.runtime.serve.observing.watched import Tap


def open_watch(counters: Counters, run: Path, slot: int, settings: Mapping[str, Any]) -> Watch:
    """The watch of a slot. settings: those of a worker; `instance` and `telemetry` are read."""
    instance = str(settings["instance"])
    counters.cells[counters.index(("starts",))] += 1
    taps: list[Tap] = []
    return Watch(counters, examples_path(run, instance, slot), taps, {"instance": instance, "worker": slot})


def examples_path(run: Path, instance: str, slot: int) -> Path:
    """Where a slot keeps one example a group of errors."""
    return Path(run) / f"errors-{instance}-{slot}.json"
