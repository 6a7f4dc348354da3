"""The README's table of measurements, from benchmarks/results alone. `python -m benchmarks.readme` rewrites it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results"
EXPLANATION = ROOT / "docs" / "explanation" / "where-the-time-goes.md"
MODELS = ("logistic", "boosted", "forest", "xgboost", "lightgbm", "network")


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
    rows += serving()
    for name, where in (("profile-memory-1m", "in memory"), ("profile-parquet-1m", "from Parquet")):
        if found := result(name):
            rows.append((f"profile of 1M rows x 15 columns, {where}", f"{found['seconds']} s"))
    made = {name: result(f"explain-{name}") for name in ("logistic", "boosting", "forest-200")}
    if all(made.values()):
        rows.append((
            "exact attributions, 1,000 churn rows, 100 background rows: CPU seconds (times faster than shap)",
            ", ".join(f"{n} {found['cpu_seconds']:g} ({found['ratio']:g} x)" for n, found in made.items() if found),
        ))  # fmt: skip
    rows += statistics()
    return [f"| {what} | {figure} |" for what, figure in rows]


def serving() -> list[tuple[str, str]]:
    """Single rows, peers and bulk."""
    rows = []
    for count in (1, 8, 32, 128):
        if found := result(f"serve-single-{count}"):
            figures = ", ".join(
                f"{name} {found[f'{name}_cpu_us']:.0f} µs ({found[f'{name}_cpu_ratio']:.2f} x)" for name in MODELS
            )
            rows.append((
                f"single rows, {count} connection{'s' if count > 1 else ''}, validation, capture and metrics on: "
                "server CPU per request (x granian answering a constant)",
                figures,
            ))  # fmt: skip
    if found := result("serve-rate-32"):
        rows.append((
            "the same driven by wrk at 32 connections: requests a second, CPU per request (x granian's constant)",
            ", ".join(
                f"{name} {found[f'{name}_rate']:,} ({found[f'{name}_rate_ratio']:.2f} x), "
                f"{found[f'{name}_cpu_us']:.0f} µs ({found[f'{name}_cpu_ratio']:.2f} x)"
                for name in MODELS
            ),
        ))  # fmt: skip
    if found := result("serve-latency"):
        figures = ", ".join(f"{name} {found[f'{name}_p99_ms']:.2f} ms" for name in (*MODELS, "constant"))
        rows.append(("p99 at half of the peak rate, 64 connections (constant: granian's, at half of its own)", figures))
    if found := result("serve-two-workers"):
        rows.append(("CPU per request of two workers at 64 connections, of one at 32", f"{found['cpu_ratio']} x"))
    if found := result("peers"):
        names = [name.removesuffix("_times") for name in found if name.endswith("_times")]
        rows.append((
            "times the single rows a second of, on the same fitted boosted pipeline and rows, one worker each",
            ", ".join(f"{name} {found[f'{name}_times']:,.0f}" for name in names),
        ))  # fmt: skip
    if found := result("bulk-in-process"):
        rows.append((
            "100,000 rows in process, times scikit-learn's own `predict_proba`, one thread each",
            ", ".join(f"{name} {found[f'{name}_times']}" for name in MODELS if f"{name}_times" in found),
        ))  # fmt: skip
    if found := result("bulk-over-http"):
        rows.append((
            "100,000 rows a request, boosted, rows a second: JSON / CSV / Arrow",
            " / ".join(f"{found[f'{form}_100000_rows_per_s']:,}" for form in ("json", "csv", "arrow")),
        ))  # fmt: skip
    if found := result("bulk-score"):
        rows.append((
            "`fairlead score` of 1,000,000 rows, rows a second (peak memory): Parquet / CSV",
            " / ".join(f"{found[f'{k}_rows_per_s']:,} ({found[f'{k}_peak_mb']} MB)" for k in ("parquet", "csv"))
            + f"; of 4,000,000 from Parquet: {found['parquet_4m_peak_mb']} MB",
        ))  # fmt: skip
    if found := result("bulk-lane"):
        rows.append(("p99 of single rows beside 100,000-row requests, of alone", f"{found['p99_ratio']} x"))
    return rows


LAYERS = ("parse and validate", "prepare", "predict", "render", "record", "write", "count and reply")


def layers() -> str:
    """The table of docs/explanation/where-the-time-goes.md."""
    found = result("layers")
    if found is None:
        return ""
    cases = list(found["detail"])
    lines = ["| layer | " + " | ".join(cases) + " |", "|---" * (len(cases) + 1) + "|"]
    for layer in (*LAYERS, "whole tick"):
        lines.append(f"| {layer} | " + " | ".join(f"{found['detail'][case][layer]:.2f}" for case in cases) + " |")
    if transport := result("transport-constant-32"):
        us = transport["bare_cpu_us"]
        lines += ["", f"Accepting and writing HTTP, as the bare transport does it for a constant: {us} µs a request."]
    return "\n".join(lines)


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


def explained(text: str) -> str:
    """The explanation of where the time goes with its table as the results have it."""
    block = f"<!-- layers -->\n{layers()}\n<!-- /layers -->"
    return re.sub(r"<!-- layers -->.*?<!-- /layers -->", lambda _: block, text, flags=re.S)


def main() -> None:
    for path, rewritten in ((ROOT / "README.md", written), (EXPLANATION, explained)):
        path.write_text(rewritten(path.read_text()))


if __name__ == "__main__":
    main()
