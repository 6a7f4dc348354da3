"""The tables about drift reports: figures as the results have them, what was not run is said by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import benchmarks
import pytest
from benchmarks.drift_page import drift, drift_together

RUN = {"seconds": 2.0, "cpu_s": 1.0, "peak_mb": 200.0}


def results(**found: dict[str, Any]) -> Any:
    return lambda name: found.get(name.removeprefix("drift-report-").replace("-", "_"))


def test_nothing_measured_gives_no_table() -> None:
    assert drift(results()) == ""


def test_figures_and_what_was_not_run_are_told() -> None:
    ten = {
        "rows": 10_000_000, "fairlead_cpu_s": 6.04, "fairlead_peak_mb": 280.4, "fairlead_ended": "",
        "evidently_ended": "not run, would take about 8,269 MB of 6,000", "nannyml_cpu_s": 90.0,
        "nannyml_peak_mb": 5500.0, "nannyml_ended": "",
        "times": {"nannyml": {"cpu_s": [14.9, 14.9, 14.9], "peak_mb": [19.6, 19.6, 19.6]}},
        "runs": {"fairlead": [RUN], "evidently": [{}], "nannyml": [RUN]},
    }  # fmt: skip
    kinds = ("shuffled_quiet", "weeks_quiet", "shuffled_planted", "weeks_planted")
    watched = {f"{n}_{k}_{w}": 0.84 for n in ("fairlead", "nannyml") for k in kinds for w in ("any", "humidity")}
    large = {"cpu_s": 29.2, "peak_mb": 266.8}
    told = drift(results(**{"10m": ten, "100m": large, "windows": {**watched, "evidently_ended": "longer than 600 s"}}))
    assert "| 10,000,000 | Fairlead (1 round) | 6.0 |  | 280 MB |  |" in told
    assert "| 10,000,000 | Evidently: not run, would take about 8,269 MB of 6,000 |  |  |  |  |" in told
    assert "| 10,000,000 | NannyML (1 round) | 90.0 | 14.9 [14.9, 14.9] | 5500 MB | 19.6 [19.6, 19.6] |" in told
    assert "| 100,000,000 against 500,000 | Fairlead | 29 |  | 267 MB |  |" in told
    assert "| Fairlead | 84 % | 84 % | 84 % | 84 % |" in told
    assert "| Evidently, drift preset: longer than 600 s |  |  |  |  |" in told
    assert all(line.count("|") in (0, 6, 7) for line in told.splitlines())


def test_memory_is_expected_on_the_line_through_smaller_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(Path(benchmarks.__file__).parent), *sys.path])
    import drift_report

    monkeypatch.setattr(drift_report, "RESULTS", tmp_path)
    assert drift_report.expected_mb("nannyml", 10_000_000) is None
    for part, held in (("100k", 419.6), ("1m", 886.1)):
        (tmp_path / f"drift-report-{part}.json").write_text(json.dumps({"nannyml_peak_mb": held}))
    assert drift_report.expected_mb("nannyml", 1_000_000) is None
    assert drift_report.expected_mb("nannyml", 10_000_000) == pytest.approx(886.1 + 9 * (886.1 - 419.6) / 0.9)


def test_what_no_column_shows_alone_has_a_line_a_setup_and_a_fault() -> None:
    told = {"worlds": 30, "found": [0.5, 0.75, 1.0], "low": 0.313, "high": 0.687}
    weeks = {"allowed": 0.021, "windows": 1040, "alarms": 0.01, "alarms_low": 0.004, "alarms_high": 0.016}
    table = drift_together({"scenario": "drift-together", "weeks": {**weeks, "faults": {"a slice": told}}})
    assert "| weeks | 0.0100 [0.0040, 0.0160] | 0.0210 | 1,040 |" in table
    assert "| a slice | weeks | 50 % [31, 69] | 75 % | 100 % | 30 |" in table
    assert drift_together(None) == ""
