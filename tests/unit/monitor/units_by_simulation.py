"""How often a changed unit is found, and how often its interval holds the factor: measured on weeks of the bike table.

`python -m tests.unit.monitor.units_by_simulation` writes the table into docs/how-to/watch-data-quality.md.
"""

from __future__ import annotations

import copy
import re
from typing import Any, NamedTuple

import numpy as np
from tests.conftest import ROOT
from tests.unit.monitor.bike_windows import MEASURED, Watched, bike, first_window

PAGE = ROOT / "docs" / "how-to" / "watch-data-quality.md"
WEEKS = 24
CHANGES = ((100.0, 0.0), (0.001, 0.0), (3.6, 0.0), (0.3048, 0.0), (1.8, 32.0), (-1.0, 0.0))


class Measured(NamedTuple):
    """Of `weeks` with a change: found, with the factor in the interval, and named exactly."""

    factor: float
    offset: float
    weeks: int
    found: int
    covered: int
    named: int


def measure(weeks: int = WEEKS) -> tuple[list[Measured], int]:
    """By change; and findings of any kind in the weeks as they were."""
    watched = bike()
    tried: dict[tuple[float, float], list[tuple[bool, bool, bool]]] = {change: [] for change in CHANGES}
    clean = 0
    start = first_window(watched)
    for week in range(start, start + weeks):
        for factor, offset in CHANGES:
            tried[factor, offset] += [_one(watched, week, column, factor, offset) for column in MEASURED]
        clean += len(watched.look(week))
    return [
        Measured(*change, len(all_of), *(sum(one[i] for one in all_of) for i in range(3)))
        for change, all_of in tried.items()
    ], clean


def _one(watched: Watched, week: int, column: str, factor: float, offset: float) -> tuple[bool, bool, bool]:
    def changed(columns: dict[str, Any], times: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
        columns[column] = columns[column] * factor + offset
        return columns, times

    kept, watched.memories = watched.memories, copy.deepcopy(watched.memories)
    found = [f for f in watched.look(week, changed) if f.check == "unit" and f.columns == (column,)]
    watched.memories = kept
    if not found:
        return False, False, False
    right = found[0].evidence["offset"] == offset
    named = right and abs(found[0].evidence["factor"] / factor - 1.0) < 1e-6
    return True, right and found[0].low <= factor <= found[0].high, named


def table(measured: list[Measured]) -> str:
    """As the page shows it."""
    lines = [
        "| change | found | factor within its 95 % interval, of those found | named exactly |",
        "|---|---|---|---|",
    ]
    for one in measured:
        what = f"times {one.factor:g}" + (f" plus {one.offset:g}" if one.offset else "")
        lines.append(f"| {what} | {one.found} of {one.weeks} | {one.covered} | {one.named} |")
    return "\n".join(lines)


def main() -> None:
    measured, clean = measure()
    text = re.sub(
        r"(<!-- units -->\n).*?(<!-- end -->)", rf"\g<1>{table(measured)}\n\g<2>", PAGE.read_text(), flags=re.S
    )
    said = f"{clean} findings" if clean else "no finding"
    PAGE.write_text(
        re.sub(r"Twenty-four weeks as they were raised .*\.", f"Twenty-four weeks as they were raised {said}.", text)
    )


if __name__ == "__main__":
    main()
