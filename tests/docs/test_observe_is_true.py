"""docs/how-to/observe.md says of every metric what the server itself says of it, and its settings exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.serve.observing import errors, logs, sender
from fairlead.runtime.serve.observing.families import FAMILIES, TRITON

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "observe.md").read_text()


def test_the_table_of_metrics_is_that_of_the_page() -> None:
    told = {
        cells[0].strip("`"): (cells[1], tuple(re.findall(r"`(\w+)`", cells[2])), cells[3])
        for cells in (line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| `"))
    }
    assert told == {name: (family.kind, family.labels, family.help) for name, family in FAMILIES.items()}


def test_the_settings_shown_can_be_set() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    shown = tomllib.loads(block)["telemetry"]
    assert msgspec.convert(shown, TelemetrySettings) == TelemetrySettings(
        log="json", otlp="http://collector:4318", events="http://sink/"
    )
    assert shown.keys() == {field.name for field in msgspec.structs.fields(TelemetrySettings)}


def test_the_bounds_told_are_those_of_the_code() -> None:
    words = " ".join(TEXT.split())
    assert f"at most {logs.LINES_A_SECOND} such lines a second" in words
    assert f"at most {errors.MOST_GROUPS} groups a worker" in words
    assert f"at most {sender.MOST_WAITING:,} and {sender.MOST_BYTES >> 20} MiB a worker" in words
    assert all(f"`{field}`" in words for field in logs.FIELDS if field not in {"instance", "worker", "ended"})
    assert next(iter(TRITON)) in words
