"""Write docs/explanation/false-alarms.md: `python -m benchmarks.alarm_table [--references 40] [--data ../shared/data]`.

Some ten minutes of one core. Everything is drawn with fixed seeds: the same code writes the same page.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.alarm_bike import bike_lived, bike_rows
from benchmarks.alarm_checks import all_checks
from benchmarks.alarm_months import BUDGET, ROWS_A_DAY, Rate, Scenario, delays_of, rate_in, rate_of
from benchmarks.alarm_streams import STREAMS, Stream

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "false-alarms.md"
SEEN = ("stationary", "days vary", "daily season", "weekly season")
BEYOND = ("AR(1) 0.9", "unseen yearly season")
WINDOWS = ("200rows", "1000rows", "10000rows", "100000rows", "1000000rows", "1h", "1d", "7d")
QUIET = ("1d", "7d")
DRAWN = ("200rows", "1000rows", "1h")
"""Windows shorter than a day, which cost most to simulate: left out where nothing is promised."""
FAULTS: dict[str, dict[str, float]] = {
    "mean moved by 0.25 sd": {"moved": 0.25},
    "mean moved by 0.5 sd": {"moved": 0.5},
    "mean moved by 1 sd": {"moved": 1.0},
    "a category of 30 % lost": {"lost": 1.0},
    "5 % more missing": {"gone": 0.05},
    "missing 1 % more": {"gone": 0.01},
}
Say = Callable[[str], None]


def shown(rate: Rate) -> str:
    """One cell."""
    if not rate.months:
        return "calibrating"
    return f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}]"


def scenario_of(stream: Stream, window: str, floors: bool, rows_a_day: int) -> Scenario:
    """Longer windows are lived through for longer, very short ones for less: they cost what their windows do."""
    months = {"1000000rows": 12, "200rows": 2, "1000rows": 4}.get(window, 6)
    if rows_a_day < ROWS_A_DAY:
        months = 6
    days = 400 if window == "1000000rows" else 200
    return Scenario(stream, window, rows_a_day=rows_a_day, days=days, months=months, floors=floors)


def streams_table(references: int, floors: bool, windows: tuple[str, ...], rows_a_day: int, say: Say) -> Iterator[str]:
    """A row a stream, a column a window."""
    yield f"| stream | {' | '.join(windows)} |"
    yield f"|---|{'---|' * len(windows)}"
    for name in (*SEEN, *BEYOND):
        cells = []
        for window in windows:
            if name in BEYOND and window in DRAWN and rows_a_day == ROWS_A_DAY:
                cells.append("")
                continue
            costly = window in DRAWN and rows_a_day == ROWS_A_DAY
            few = max(references // 4, 2) if costly else references
            rate = rate_of(scenario_of(STREAMS[name], window, floors, rows_a_day), few)
            say(f"{name}, {window}{'' if floors else ', no floors'}: {shown(rate)}")
            cells.append(shown(rate))
        yield f"| {name} | {' | '.join(cells)} |"


def bike_table(copies: int, data: Path, say: Say) -> Iterator[str]:
    """Shuffled copies of the bike table."""
    rows = bike_rows(data / "bike-sharing-hour.csv")
    windows = ("7d", "200rows", "1000rows")
    yield f"| shuffled by | {' | '.join(windows)} |"
    yield f"|---|{'---|' * len(windows)}"
    for name, together in (("rows", 1), ("days", 24), ("weeks", 168)):
        rates = [rate_in([bike_lived(rows, window, together, seed) for seed in range(copies)]) for window in windows]
        say(f"bike by {name}: {', '.join(map(shown, rates))}")
        yield f"| {name} | {' | '.join(map(shown, rates))} |"


def checks_table(references: int, say: Say) -> Iterator[str]:
    """Every check on rows."""
    found = all_checks(references, 26, 60)
    months = sum(one.months for one in found)
    alarms: Counter[str] = sum((one.alarms for one in found), Counter())
    each = np.asarray([one.all for one in found], dtype=float)
    drawn = np.random.default_rng(1).integers(0, len(each), (2000, len(each)))
    low, high = np.quantile(each[drawn].sum(axis=1) / months, [0.025, 0.975])
    say(f"all checks: {each.sum() / months:.2f} [{low:.2f}, {high:.2f}] {dict(alarms)}")
    yield f"All together: **{each.sum() / months:.2f} [{low:.2f}, {high:.2f}]** a month, in {months:.0f} months."
    yield ""
    yield "| area: check | alarms a month |"
    yield "|---|---|"
    for name, count in alarms.most_common():
        yield f"| {name} | {count / months:.3f} |"


def power_table(references: int, say: Say) -> Iterator[str]:
    """Faults of one column of four, in a stream whose days vary."""
    settings = (("7d", ROWS_A_DAY), ("1d", ROWS_A_DAY), ("1h", ROWS_A_DAY), ("7d", 200), ("1d", 200))
    yield f"| fault | {' | '.join(f'{w}, {r:,} rows/day' for w, r in settings)} |"
    yield f"|---|{'---|' * len(settings)}"
    for name, fault in FAULTS.items():
        cells = []
        for window, rows_a_day in settings:
            few = max(references // 4, 2) if window == "1h" else references
            scenario = Scenario(STREAMS["days vary"], window, rows_a_day=rows_a_day, months=1)
            within, days = delays_of(scenario, replace(STREAMS["days vary"], **fault), few)
            told = f"{days:.2g} days" if np.isfinite(days) else "never"
            cells.append(f"{within:.0%}, {told}")
        say(f"{name}: {cells}")
        yield f"| {name} | {' | '.join(cells)} |"


def page(references: int, data: Path, say: Say) -> str:
    """The whole page."""
    parts: list[str] = [HEAD.format(PART=BUDGET, REFERENCES=references)]
    parts += [f"\n## Windows of any length, {ROWS_A_DAY:,} rows a day\n"]
    parts += streams_table(references, True, WINDOWS, ROWS_A_DAY, say)
    parts += [FLOORS]
    parts += streams_table(references, False, QUIET, 200, say)
    if (data / "bike-sharing-hour.csv").exists():
        parts += [BIKE]
        parts += bike_table(max(references // 2, 2), data, say)
    parts += [CHECKS]
    parts += checks_table(max(references // 2, 2), say)
    parts += [POWER]
    parts += power_table(references, say)
    parts += [TAIL.format(references=references)]
    return "\n".join(parts) + "\n"


HEAD = """# False alarms: what is promised, and what was measured

`monitor.false_alarms_per_month` (1 unless you say otherwise) is the budget of the whole project, whatever its window.
{PART:.0%} of it belongs to the statistics of counts that are calibrated jointly (distances of columns, answers and
decisions, shares of missing, imputed and other cells): one maximum over all of them, over all windows and early looks
of a unit (a window, or a day where windows are shorter). So the tables of the first three parts are to be read against
**{PART:.1f} alarms a month**, the fourth, with every check that ships, against 1.

An alarm is a window (a day, where windows are shorter: what comes and goes within one is one incident) in which
something speaks where in the one before nothing did. Values are alarms a month, with 95 % intervals over
references, of which there are {REFERENCES}, or a quarter as many for windows of 200 and 1,000 rows and of an hour. They
cover 200 days (400 for windows of a million rows). How it works: decision 34; why your own windows spoke or were
silent: `fairlead watch --explain`."""
FLOORS = """
Many zeros are the effect floors' doing: with many rows a day, what is certain is often too small to matter.

## The statistics alone: 200 rows a day, effect floors set to 0
"""
BIKE = """
## Shuffled copies of the bike-sharing table

Ten columns, 400 days as reference, the next 320 watched; effect floors as they come.
"""
CHECKS = """
## Every check that ships, by rows, with labels

Four columns and a classifier, 60 rows a day, windows of 7 days with daily early looks, labels a week later. Days vary
(0.1 sd). This is the whole budget: 1 a month.
"""
POWER = """
## What is found, and when

A fault in one column of four, whose days vary by 0.15 sd, from the first hour after the reference on. Each cell: the
part of runs in which it is told within the first window (or day), and the median of days until then (at most 30).
Early looks tell in a window of a week what a window of a day would.
"""
TAIL = """
## What the tables say

- Where days come as the reference's did, with the seasons that it has seen, from windows of 200 rows to a million: no
  interval lies above its budget. Single values do by chance, most of all where months are few.
- Days that depend on each other (AR(1) with 0.9) are in the reference as well, and running windows show them. What a
  short reference cannot show is how far such a series wanders later: windows of a day go beyond the budget without
  floors.
- A season that the reference has not seen is no everyday variation: it is told, as the drift it is.
- With fewer than about a hundred days (more for a tighter budget) nothing of this is an alarm: it is information, with
  "calibrating" and how long that will take beside it.

Made by `python -m benchmarks.alarm_table --references {references}`; the sample in `tests/unit/monitor` runs with
every `make test`, the whole with `make test-long`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=40)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--write", type=Path, default=PAGE)
    asked = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    asked.write.write_text(page(asked.references, asked.data, say))


if __name__ == "__main__":
    main()
