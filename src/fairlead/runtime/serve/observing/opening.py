"""What a worker's settings say about telemetry, made into a watch; the one place that knows which taps there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.capture.uncaptured import REASONS
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.metrics import Scene
from fairlead.runtime.serve.observing import logs
from fairlead.runtime.serve.observing.watch import Watch
from fairlead.runtime.serve.observing.watched import Tap


def prepare(telemetry: TelemetrySettings) -> None:
    """Before workers are forked: logs as they are to be, and what exporting needs.

    Raises MissingExtra, and ConfigInvalid for what is no address.
    """
    for key, address in (("telemetry.otlp", telemetry.otlp), ("telemetry.events", telemetry.events)):
        _must_be_http(address, key)
    if telemetry.otlp:
        from fairlead.runtime.serve.observing.otlp import require

        require()
    logs.configure(telemetry.log)


def _must_be_http(address: str, key: str) -> None:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if address and not sound:
        raise ConfigInvalid("must be an address as http://host:port/path.", key=key)


def open_watch(
    counters: Counters, run: Path, slot: int, settings: Mapping[str, Any], scene: Callable[[], Scene]
) -> Watch:
    """The watch of a slot. settings: those of a worker; instance, server and telemetry are read.

    scene: what metrics are about, for those that are sent instead of asked for.
    """
    telemetry: TelemetrySettings = settings.get("telemetry") or TelemetrySettings()
    instance = str(settings["instance"])
    about: dict[str, Any] = {"instance": instance, "worker": slot}
    counters.cells[counters.index(("starts",))] += 1
    for reason in REASONS:
        # There from the start, so that a first drop is an increase and not a series that appears.
        counters.index(("capture", "dropped", reason))
    began = counters.index(("began",))
    counters.cells[began] = counters.cells[began] or time.time()
    taps: list[Tap] = []
    if telemetry.otlp:
        from fairlead.runtime.serve.observing.otlp import Otlp
        from fairlead.runtime.serve.observing.spans import Spans

        otlp = Otlp(telemetry.otlp, about, None if slot else scene, counters.cells[began])
        spans = Spans(otlp, counters, telemetry.sample, scheme(settings))
        otlp.start(spans.send)
        taps.append(spans)
    if telemetry.events:
        from fairlead.runtime.serve.observing.events import Events
        from fairlead.runtime.serve.observing.sender import Sender

        taps.append(Events(telemetry, Sender(telemetry.events, counters), instance))
    return Watch(counters, examples_path(run, instance, slot), taps, about)


def scheme(settings: Mapping[str, Any]) -> str:
    """How callers reach a server with these settings."""
    return "https" if getattr(settings.get("server"), "tls_certificate", "") else "http"


def examples_path(run: Path, instance: str, slot: int) -> Path:
    """Where a slot keeps one example a group of errors."""
    return Path(run) / f"errors-{instance}-{slot}.json"
