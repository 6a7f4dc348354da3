"""The README's rows of what reaches beyond one machine: Spark, streams, images, backups."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Result = Callable[[str], dict[str, Any] | None]
BROKERS = ("redis", "nats", "rabbitmq", "kafka")
FITS = {
    "logistic": "logistic", "forest": "forest of 20", "boosting": "XGBoost, 50 rounds",
    "trials": "a search of six trials", "networks": "network of 256x256, five epochs",
    "streaming": "label by label (20,000 of them)",
}  # fmt: skip
WAYS = {
    "local": "here", "processes-2": "two processes", "spark-1": "Spark, 1 core", "spark-2": "Spark, 2 cores",
    "rows-2": "rows divided by two", "layers-2": "layers divided by two", "online_linear": "linear",
    "online_tree": "tree",
}  # fmt: skip


def reach(result: Result) -> list[tuple[str, str]]:
    """What was measured, and its figures. result: a scenario's newest result."""
    rows = []
    for name, what in (("spark-score", "scored"), ("spark-profile", "profiled")):
        if found := result(name):
            here, one, two = found["local-1"], found["spark-1"], found["spark-2"]
            rows.append((
                f"{found['rows']:,} rows {what} here / by Spark on 1 core / on 2, once it is up "
                f"(its start: {found['first_s']['spark-2']:.0f} s): rows a second",
                f"{here['rows_per_s']:,} / {one['rows_per_s']:,} ({one['of_local']:.2f} x) / "
                f"{two['rows_per_s']:,} ({two['of_local']:.2f} x)",
            ))  # fmt: skip
    told = {name: result(f"streams-{name}") for name in BROKERS}
    if any(told.values()):
        rows.append((
            "`fairlead stream`, messages a second; published to answered at 200 a second, p50 / p99 (Kafka: a mock)",
            ", ".join(
                f"{name} {found['messages_per_s']['median']:,}; {found['p50_ms']:g} / {found['p99_ms']:g} ms"
                for name, found in told.items() if found
            ),
        ))  # fmt: skip
    if found := result("image"):
        rows.append((
            "exported image with its base; started until it answers a row",
            f"{found['mb']} MB; {found['answer_s']} s",
        ))  # fmt: skip
    kept = {where: found for where in ("folder", "s3") if (found := result(f"keep-{where}"))}
    if kept:
        rows.append((
            "backup / restore of a home: MB a second",
            ", ".join(
                f"{where}{' (moto)' if where == 's3' else ''} {found['first_mb_per_s']:.0f} / "
                f"{found['restore_mb_per_s']:.0f}"
                for where, found in kept.items()
            ),
        ))  # fmt: skip
    return rows


def distributed(result: Result) -> str:
    """The table of docs/how-to/distributed-training.md."""
    lines = ["| what, of how many rows | rows a second (of here) |", "|---|---|"]
    for name, what in FITS.items():
        found = result(f"distributed-{name}")
        if found is None or "rows" not in found:
            continue
        told = {way: one for way, one in found.items() if isinstance(one, dict) and "rows_per_s" in one}
        figures = ", ".join(
            f"{WAYS.get(way, way)} {one['rows_per_s']:,}" + ("" if number == 0 else f" ({one['of_local']:.2f} x)")
            for number, (way, one) in enumerate(told.items())
        )
        lines.append(f"| {what}, {found['rows']:,} | {figures} |")
    return "\n".join(lines)


def with_distributed(text: str, result: Result) -> str:
    """The page with its table as the results have it."""
    block = f"<!-- measured -->\n{distributed(result)}\n<!-- /measured -->"
    return re.sub(r"<!-- measured -->.*?<!-- /measured -->", lambda _: block, text, flags=re.S)
