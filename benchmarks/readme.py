"""The README's table of measurements, from benchmarks/results alone. `python -m benchmarks.readme` rewrites it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.drift_page import drift, drift_together
from benchmarks.reach_page import reach, with_distributed

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results"
PEERS = ROOT / "docs" / "explanation" / "peers.md"
TOGETHER = ROOT / "docs" / "explanation" / "drift-together.md"
DISTRIBUTED = ROOT / "docs" / "how-to" / "distributed-training.md"
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
    rows += beside_peers()
    rows += statistics()
    rows += reach(result)
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


LAYERS = (
    "parse and validate", "prepare", "predict", "render", "record", "write", "count and reply", "rows unlike training",
)  # fmt: skip


def layers() -> str:
    """The table of docs/explanation/where-the-time-goes.md."""
    found = result("layers")
    if found is None:
        return ""
    cases = list(found["detail"])
    lines = ["| layer | " + " | ".join(cases) + " |", "|---" * (len(cases) + 1) + "|"]
    for layer in (*LAYERS, "whole tick"):
        if any(layer not in found["detail"][case] for case in cases):
            continue  # measured before there was such a layer
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


NAMES = {"fairlead": "Fairlead", "flaml": "FLAML", "sklearn": "best default of scikit-learn",
         "evidently": "Evidently", "ydata_minimal": "ydata-profiling, minimal",
         "ydata_default": "ydata-profiling"}  # fmt: skip
REPORTS = {"summary": "report of one table", "drift": "one table against another", "profile": "profile alone",
           "ydata-default": "report of one table"}  # fmt: skip


def spread(found: list[float], digits: int = 2) -> str:
    """A value with its interval."""
    return f"{found[0]:.{digits}f} [{found[1]:.{digits}f}, {found[2]:.{digits}f}]"


def beside_peers() -> list[tuple[str, str]]:
    """What is learned in a stated time, and what reports cost, beside the peers'."""
    rows = []
    if found := result("learning"):
        budget = " / ".join(f"{seconds:g}" for seconds in found["budgets_cpu_s"])
        rows.append((
            f"`fairlead train`, default settings, {budget} CPU seconds, {found['tables']} tables: loss as a multiple "
            "of its peer's (95 % interval)",
            ", ".join(f"{NAMES[name]} {spread(ratio)}" for name, ratio in found["ratios"].items()),
        ))  # fmt: skip
    if found := result("reports-summary"):
        rows.append((
            "report of 1M rows x 15 columns: CPU seconds, peak memory",
            ", ".join(
                f"{NAMES[name]} {found[f'{name}_cpu_s']:.1f} s, {found[f'{name}_peak_mb']:.0f} MB"
                for name in ("fairlead", "evidently", "ydata_minimal") if f"{name}_cpu_s" in found
            ),
        ))  # fmt: skip
    return rows


def learning() -> str:
    """The tables of docs/explanation/peers.md about learning."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("learning-*.json"))]
    lines = []
    if found:
        lines += [
            "| table | loss | Fairlead | FLAML | best default of sklearn | less FLAML | less sklearn |",
            "|---|---|---|---|---|---|---|",
        ]
        for one in found:
            digits = 2 if one["metric"] == "mae" else 4
            values = " | ".join(f"{one[c]:.{digits}f}" for c in ("fairlead", "flaml", "sklearn"))
            gaps = " | ".join(spread(one[f"less_{c}"], digits) for c in ("flaml", "sklearn"))
            kind = ", by time" if one["by_time"] else ""
            name = one["scenario"].removeprefix("learning-")
            lines.append(f"| {name} ({one['learned']:,} rows{kind}) | {one['metric']} | {values} | {gaps} |")
    if whole := result("learning"):
        lines += ["", "| | mean rank | by bootstrap | for all pairs at once | loss, Fairlead's as a multiple |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for name, rank in whole["ranks"].items():
            at_once = "[{:.2f}, {:.2f}]".format(*whole["simultaneous"][name])
            ratio = spread(whole["ratios"][name], 3) if name in whole["ratios"] else ""
            lines.append(f"| {NAMES[name]} | {rank[0]:.2f} | [{rank[1]:.2f}, {rank[2]:.2f}] | {at_once} | {ratio} |")
        lines += ["", f"If all were equal, ranks so far apart would come with a chance of {whole['friedman']}."]
    return "\n".join(lines)


def reports() -> str:
    """The table of docs/explanation/peers.md about reports."""
    lines: list[str] = []
    for part, what in REPORTS.items():
        if (found := result(f"reports-{part}")) is None:
            continue
        lines = lines or [
            "| | | CPU seconds | times | peak memory | times | wall seconds |", "|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for name in (n for n in NAMES if f"{n}_rounds" in found):
            times = found.get("times", {}).get(name, {})
            ratio = {key: spread(times[key], 1) if key in times else "" for key in ("cpu_s", "peak_mb")}
            cpu = f"{found[f'{name}_cpu_s']:.1f}" if f"{name}_cpu_s" in found else ""
            wall = f"{found[f'{name}_seconds']:.1f}" + (", ended" if found[f"{name}_ended"] else "")
            lines.append(
                f"| {what} | {NAMES[name]} ({found[f'{name}_rounds']} rounds) | {cpu} | {ratio['cpu_s']} | "
                f"{found[f'{name}_peak_mb']:.0f} MB | {ratio['peak_mb']} | {wall} |"
            )
    return "\n".join(lines)


def compared(text: str) -> str:
    """The page about peers with its tables as the results have them."""
    for name, table in (("learning", learning()), ("reports", reports()), ("drift", drift(result))):
        block = f"<!-- {name} -->\n{table or 'Not measured yet.'}\n<!-- /{name} -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _, b=block: b, text, flags=re.S)  # type: ignore[misc]
    return text


def together(text: str) -> str:
    """The page about what no column shows alone with its tables as the result has them."""
    table = drift_together(result("drift-together")) or "Not measured yet."
    block = f"<!-- drift-together -->\n{table}\n<!-- /drift-together -->"
    return re.sub(r"<!-- drift-together -->.*?<!-- /drift-together -->", lambda _: block, text, flags=re.S)


def main() -> None:
    pages = ((ROOT / "README.md", written), (EXPLANATION, explained), (PEERS, compared), (TOGETHER, together),
             (DISTRIBUTED, lambda text: with_distributed(text, result)))  # fmt: skip
    for path, rewritten in pages:
        path.write_text(rewritten(path.read_text()))


if __name__ == "__main__":
    main()
