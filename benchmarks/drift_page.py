"""The tables of docs/explanation/peers.md about drift reports, from benchmarks/results alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Result = Callable[[str], dict[str, Any] | None]
NAMES = {"fairlead": "Fairlead", "evidently": "Evidently", "nannyml": "NannyML"}
WATCHING = {"fairlead": "Fairlead", "nannyml": "NannyML, chunks of a week", "evidently": "Evidently, drift preset"}
KINDS = (
    ("shuffled_quiet", "any"), ("weeks_quiet", "any"), ("shuffled_planted", "humidity"), ("weeks_planted", "humidity"),
)  # fmt: skip
SAME_WINDOWS = """
The same windows for all: 50 weeks of the bike table of 2012 against 2011, as they came and with humidity read as two thirds of itself;
and the same of a copy whose rows are shuffled, in which nothing moves but by chance. Share of windows in which the tool says that

| | anything moved, shuffled | anything moved, as they came | humidity moved, planted in shuffled | humidity moved, planted |
|---|---|---|---|---|"""  # noqa: E501


def drift(result: Result) -> str:
    """Both tables; a part that was never run has no rows."""
    lines: list[str] = []
    for part in ("100k", "1m", "10m"):
        if (found := result(f"drift-report-{part}")) is not None:
            lines += [line for name in NAMES if (line := _cost(found, name))]
    if (large := result("drift-report-100m")) is not None:
        lines.append(
            f"| 100,000,000 against 500,000 | Fairlead | {large['cpu_s']:.0f} |  | {large['peak_mb']:.0f} MB |  |"
        )
    if lines:
        lines[:0] = ["| rows of both | | CPU seconds | times | peak memory | times |", "|---|---|---|---|---|---|"]
    if (watched := result("drift-report-windows")) is not None:
        lines += [*SAME_WINDOWS.splitlines(), *(_windows(watched, name) for name in WATCHING)]
        whole = [watched.get(f"fairlead_{kind}_whole_{what}") for kind, what in KINDS]
        if None not in whole:
            lines.append(f"| Fairlead, with correlations and all columns together | {_shares(whole)}")
    return "\n".join(lines)


def _cost(found: dict[str, Any], name: str) -> str:
    """One tool at one size; what was ended, or not started for want of memory, says so."""
    label, ended = NAMES[name], found.get(f"{name}_ended", "")
    if ended:
        return f"| {found['rows']:,} | {label}: {ended} |  |  |  |  |"
    if f"{name}_cpu_s" not in found:
        return ""
    times = found.get("times", {}).get(name, {})
    cpu, memory = ("{:.1f} [{:.1f}, {:.1f}]".format(*times[k]) if k in times else "" for k in ("cpu_s", "peak_mb"))
    rounds = len(found["runs"][name])
    return (
        f"| {found['rows']:,} | {label} ({rounds} round{'s' * (rounds > 1)}) | {found[f'{name}_cpu_s']:.1f} | {cpu} | "
        f"{found[f'{name}_peak_mb']:.0f} MB | {memory} |"
    )


def _windows(found: dict[str, Any], name: str) -> str:
    if found.get(f"{name}_ended"):
        return f"| {WATCHING[name]}: {found[f'{name}_ended']} |  |  |  |  |"
    shares = [found.get(f"{name}_{kind}_{what}") for kind, what in KINDS]
    return f"| {WATCHING[name]} | {_shares(shares)}"


def _shares(found: list[float | None]) -> str:
    return " | ".join("" if share is None else f"{100 * share:.0f} %" for share in found) + " |"


def drift_together(found: dict[str, Any] | None) -> str:
    """False alarms, power and delay of what no column shows alone; empty where it was never run."""
    if found is None:
        return ""
    setups = {name: one for name, one in found.items() if isinstance(one, dict) and "faults" in one}
    lines = ["| reference and windows | quiet windows that alarm | allowed | windows |", "|---|---|---|---|"]
    for name, one in setups.items():
        lines.append(
            f"| {name} | {one['alarms']:.4f} [{one['alarms_low']:.4f}, {one['alarms_high']:.4f}] | "
            f"{one['allowed']:.4f} | {one['windows']:,} |"
        )
    lines += ["", "| what moved | reference | told in the first window | within 2 | within 4 | worlds |"]
    lines.append("|---|---|---|---|---|---|")
    for fault in next(iter(setups.values()))["faults"]:
        for name, one in setups.items():
            told = one["faults"][fault]
            first, second, fourth = (f"{100 * share:.0f} %" for share in told["found"])
            lines.append(
                f"| {fault} | {name} | {first} [{100 * told['low']:.0f}, {100 * told['high']:.0f}] | {second} | "
                f"{fourth} | {told['worlds']} |"
            )
    return "\n".join(lines)
