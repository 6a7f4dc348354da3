"""The README's table of measurements, from benchmarks/results alone. `python -m benchmarks.readme` rewrites it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results"


def result(name: str) -> dict[str, Any] | None:
    """A scenario's newest result, None when it was never run."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def lines() -> list[str]:
    """The rows of the table; a scenario without a result has none."""
    rows = []
    if found := result("import-help"):
        rows.append(("`import fairlead` / `fairlead --help`", f"{found['import_s']} s / {found['help_s']} s"))
    if found := result("demo"):
        rows.append(
            ("`fairlead demo`, installed: first / second call", f"{found['first_s']} s / {found['second_s']} s")
        )
    if found := result("serve-start"):
        rows.append(("server ready from a bundle", f"{found['ready_s']} s"))
        rows.append((
            "memory (PSS): one worker / each further one",
            f"{found['memory_mb_1_worker']:.0f} MB / {found['memory_mb_further_worker']:.0f} MB",
        ))  # fmt: skip
    for count in (1, 8, 32):
        if found := result(f"serve-single-{count}"):
            rows.append((
                f"single rows, {count} connection{'s' if count > 1 else ''}, validation, capture and metrics on: "
                "server CPU per request, logistic / boosted (x granian serving a constant)",
                f"{found['logistic_cpu_us']:.0f} µs ({found['logistic_cpu_ratio']} x) / "
                f"{found['boosted_cpu_us']:.0f} µs ({found['boosted_cpu_ratio']} x)",
            ))  # fmt: skip
    for name, where in (("profile-memory-1m", "in memory"), ("profile-parquet-1m", "from Parquet")):
        if found := result(name):
            rows.append((f"profile of 1M rows x 15 columns, {where}", f"{found['seconds']} s"))
    rows += statistics()
    return [f"| {what} | {figure} |" for what, figure in rows]


def statistics() -> list[tuple[str, str]]:
    """Rehearsal and false alarms."""
    rows = []
    if found := result("rehearsal-bike"):
        speed = found["rows_per_cpu_s"]
        rows.append((
            "rehearsal of bike sharing: share of the gain of weekly retraining, with that share of its retrainings",
            f"{found['gap_closed']:.0%} with {found['retrain_share']:.0%}",
        ))  # fmt: skip
        rows.append((
            "the same, rows per CPU second: trigger / with gate / with gate and window picker",
            " / ".join(f"{speed[n]:,}" for n in ("trigger", "trigger_gate", "trigger_gate_picker")),
        ))  # fmt: skip
    if found := result("rehearsal-agrawal"):
        rows.append((
            "rehearsal of an abrupt change (Agrawal): found after, error above a model of the last 4 windows",
            f"{found['detection_delay']} window, {found['points_behind_last_4']} points",
        ))  # fmt: skip
    if found := result("false-alarms-bike-shuffled"):
        rows.append((
            f"false alarms in 30 windows, {found['copies']} shuffled copies of the bike table: performance / inputs",
            f"{found['performance_alarms_per_30_windows']} / {found['input_alarms_per_30_windows']}",
        ))  # fmt: skip
    return rows


def written(text: str) -> str:
    """The README with its table as the results have it."""
    table = "\n".join(["| what | measured |", "|---|---|", *lines()])
    block = f"<!-- benchmarks -->\n{table}\n<!-- /benchmarks -->"
    return re.sub(r"<!-- benchmarks -->.*?<!-- /benchmarks -->", lambda _: block, text, flags=re.S)


def main() -> None:
    path = ROOT / "README.md"
    path.write_text(written(path.read_text()))


if __name__ == "__main__":
    main()
