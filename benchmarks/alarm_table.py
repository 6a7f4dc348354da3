"""Write docs/explanation/false-alarms.md: `python -m benchmarks.alarm_table [--references 24] [--data ../shared/data]`.

Some ten minutes on two cores. Everything is drawn with fixed seeds: the same code writes the same page. Cells that are
made are kept (`alarm_cells`), so it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alarm_bike import bike_lived, bike_rows
from benchmarks.alarm_cells import Say, made
from benchmarks.alarm_checks import lived
from benchmarks.alarm_faults import FAULTS as PLANTED
from benchmarks.alarm_faults import line_of
from benchmarks.alarm_months import BUDGET, ROWS_A_DAY, Rate, Scenario, delays_of, rate_in, rate_of
from benchmarks.alarm_streams import STREAMS, Stream
from fairlead.contract.signature import Task

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "false-alarms.md"
SEEN = ("stationary", "days vary", "daily season", "weekly season")
WINDOWS = ("200rows", "1000rows", "10000rows", "100000rows", "1000000rows", "1h", "1d", "7d")
QUIET = ("1d", "7d")
BIKE_WINDOWS = ("7d", "200rows", "1000rows")
TOGETHER = {"rows": 1, "days": 24, "weeks": 168}
FEW_A_DAY = 200
POWER_WINDOWS = (("7d", ROWS_A_DAY), ("1d", ROWS_A_DAY), ("1h", ROWS_A_DAY), ("7d", FEW_A_DAY), ("1d", FEW_A_DAY))
TASKS: tuple[Task, ...] = ("classification", "regression")
WEEKS, ROWS, FIRST_SEED = 26, 60, 7000
MARKS = ("naming", "promises")
"""Parts of the page that `alarm_naming` and `false_alarms` write."""
FAULTS: dict[str, dict[str, float]] = {
    "mean moved by 0.25 sd": {"moved": 0.25},
    "mean moved by 0.5 sd": {"moved": 0.5},
    "mean moved by 1 sd": {"moved": 1.0},
    "a category of 30 % lost": {"lost": 1.0},
    "5 % more missing": {"gone": 0.05},
    "missing 1 % more": {"gone": 0.01},
}
Args = tuple[Any, ...]
Cells = Mapping[Args, Any]


def shown(rate: list[float]) -> str:
    """One cell, of a rate's value, ends and months."""
    value, low, high, months = rate
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if months else "calibrating"


def scenario_of(stream: Stream, window: str, floors: bool, rows_a_day: int) -> Scenario:
    """Longer windows are lived through for longer, very short ones for less: they cost what their windows do."""
    months = {"1000000rows": 12, "200rows": 2, "1000rows": 4}.get(window, 6)
    if rows_a_day < ROWS_A_DAY:
        months = 6
    days = 400 if window == "1000000rows" else 200
    return Scenario(stream, window, rows_a_day=rows_a_day, days=days, months=months, floors=floors)


def cell(kind: str, *args: Any) -> Any:
    """One cell of any table, as JSON; kind: a name of `MAKES`."""
    return MAKES[kind](*args)


def _rate(rate: Rate) -> list[float]:
    return [rate.value, rate.low, rate.high, rate.months]


def _stream(name: str, window: str, floors: bool, rows_a_day: int, references: int) -> list[float]:
    return _rate(rate_of(scenario_of(STREAMS[name], window, floors, rows_a_day), references))


def _bike(path: str, window: str, together: int, copies: int) -> list[float]:
    rows = bike_rows(Path(path))
    return _rate(rate_in([bike_lived(rows, window, together, seed) for seed in range(copies)]))


def _quiet(task: Task, seed: int) -> list[Any]:
    one = lived(seed, WEEKS, ROWS, task=task)
    return [one.months, dict(one.alarms)]


def _power(fault: str, window: str, rows_a_day: int, references: int) -> list[float]:
    scenario = Scenario(STREAMS["days vary"], window, rows_a_day=rows_a_day, months=1)
    within, days = delays_of(scenario, replace(STREAMS["days vary"], **FAULTS[fault]), references)
    return [within, days if np.isfinite(days) else -1.0]


MAKES: dict[str, Callable[..., Any]] = {
    "stream": _stream, "bike": _bike, "quiet": _quiet, "power": _power, "fault": line_of
}  # fmt: skip


def streams_cells(references: int, floors: bool, windows: tuple[str, ...], rows_a_day: int) -> list[Args]:
    """Every stream and window."""
    return [("stream", name, window, floors, rows_a_day, references) for name in STREAMS for window in windows]


def streams_table(
    cells: Cells, references: int, floors: bool, windows: tuple[str, ...], rows_a_day: int
) -> Iterator[str]:
    """A row a stream, a column a window."""
    yield f"| stream | {' | '.join(windows)} |"
    yield f"|---|{'---|' * len(windows)}"
    for name in STREAMS:
        rates = [cells["stream", name, window, floors, rows_a_day, references] for window in windows]
        yield f"| {name} | {' | '.join(map(shown, rates))} |"


def bike_cells(path: Path, copies: int) -> list[Args]:
    """Shuffled copies of the bike table."""
    return [("bike", str(path), window, n, copies) for n in TOGETHER.values() for window in BIKE_WINDOWS]


def bike_table(cells: Cells, path: Path, copies: int) -> Iterator[str]:
    """A row a way to shuffle, a column a window."""
    yield f"| shuffled by | {' | '.join(BIKE_WINDOWS)} |"
    yield f"|---|{'---|' * len(BIKE_WINDOWS)}"
    for name, together in TOGETHER.items():
        rates = [cells["bike", str(path), window, together, copies] for window in BIKE_WINDOWS]
        yield f"| {name} | {' | '.join(map(shown, rates))} |"


def checks_table(cells: Cells, task: Task, references: int) -> Iterator[str]:
    """Every check on rows of a model, where nothing changes."""
    found = [cells["quiet", task, FIRST_SEED + i] for i in range(references)]
    months = sum(one[0] for one in found)
    alarms: Counter[str] = sum((Counter(one[1]) for one in found), Counter())
    each = np.asarray([sum(one[1].values()) for one in found], dtype=float)
    drawn = np.random.default_rng(1).integers(0, len(each), (2000, len(each)))
    low, high = np.quantile(each[drawn].sum(axis=1) / months, [0.025, 0.975])
    whole = f"**{each.sum() / months:.2f} [{low:.2f}, {high:.2f}]**"
    yield f"*{task.capitalize()}*: {whole} a month, in {months:.0f} months."
    yield ""
    yield "| area: check | alarms a month |"
    yield "|---|---|"
    for name, count in alarms.most_common():
        yield f"| {name} | {count / months:.3f} |"
    yield ""


def power_table(cells: Cells, references: int) -> Iterator[str]:
    """Faults of one column of four, in a stream whose days vary."""
    yield f"| fault | {' | '.join(f'{w}, {r:,} rows/day' for w, r in POWER_WINDOWS)} |"
    yield f"|---|{'---|' * len(POWER_WINDOWS)}"
    for name in FAULTS:
        told = [cells["power", name, window, rows_a_day, references] for window, rows_a_day in POWER_WINDOWS]
        said = [f"{within:.0%}, {f'{days:.2g} days' if days >= 0 else 'never'}" for within, days in told]
        yield f"| {name} | {' | '.join(said)} |"


def fault_cells(worlds: int) -> list[Args]:
    """Faults that every check may see."""
    return [("fault", task, name, worlds) for name, (tasks, _) in PLANTED.items() for task in tasks]


def page(references: int, data: Path, jobs: int, say: Say, kept: Path | None = None) -> str:
    """The whole page."""
    bike, worlds = data / "bike-sharing-hour.csv", max(references // 2, 2)
    asked: list[Args] = [("quiet", task, FIRST_SEED + i) for task in TASKS for i in range(references)]
    asked += fault_cells(worlds)
    asked += streams_cells(references, True, WINDOWS, ROWS_A_DAY) + streams_cells(references, False, QUIET, FEW_A_DAY)
    asked += bike_cells(bike, worlds) if bike.exists() else []
    asked += [("power", name, window, rows, references) for name in FAULTS for window, rows in POWER_WINDOWS]
    cells = made(cell, asked, jobs, say, kept)
    parts: list[str] = [HEAD.format(PART=BUDGET, REFERENCES=references)]
    parts += [f"\n## Windows of any length, {ROWS_A_DAY:,} rows a day\n"]
    parts += streams_table(cells, references, True, WINDOWS, ROWS_A_DAY)
    parts += [FLOORS]
    parts += streams_table(cells, references, False, QUIET, FEW_A_DAY)
    if bike.exists():
        parts += [BIKE]
        parts += bike_table(cells, bike, worlds)
    parts += [CHECKS]
    for task in TASKS:
        parts += checks_table(cells, task, references)
    parts += [POWER.strip("\n"), ""]
    parts += power_table(cells, references)
    parts += [KINDS.format(WORLDS=worlds)]
    parts += [cells[one] for one in fault_cells(worlds)]
    parts += [written_elsewhere(name) for name in MARKS]
    parts += [TAIL.format(references=references)]
    return "\n".join(parts) + "\n"


def written_elsewhere(name: str) -> str:
    """A part that another benchmark writes, as it stands."""
    text = PAGE.read_text() if PAGE.exists() else ""
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    return "\n" + text[text.index(begin) : text.index(end) + len(end)] if begin in text else f"\n{begin}\n{end}"


HEAD = """# False alarms: what is promised, and what was measured

`monitor.false_alarms_per_month` (1 unless you say otherwise) is the budget of the whole project, whatever its window.
{PART:.0%} of it belongs to the statistics of counts that are calibrated jointly (distances of columns, answers and
decisions, shares of missing, imputed and other cells): one maximum over all of them, over all windows and early looks
of a unit (a window, or a day where windows are shorter). So the tables of the first three parts are to be read against
**{PART:.1f} alarms a month**, the fourth, with every check that ships, against 1.

An alarm is a window (a day, where windows are shorter: what comes and goes within one is one incident) in which
something speaks where in the one before nothing did. Values are alarms a month, with 95 % intervals over
references, of which there are {REFERENCES}. They cover 200 days (400 for windows of a million rows). How it works:
decision 34; why your own windows spoke or were silent: `fairlead watch --explain`."""
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

Four columns, a classifier or a model of numbers, 60 rows a day, windows of 7 days with daily early looks, labels a week
later. Days vary (0.1 sd). This is the whole budget: 1 a month.
"""
POWER = """
## What is found, and when

A fault in one column of four, whose days vary by 0.15 sd, from the first hour after the reference on. Each cell: the
part of runs in which it is told within the first window (or day), and the median of days until then (at most 30).
Early looks tell in a window of a week what a window of a day would.
"""
KINDS = """
## What every check that ships finds, and when

The same models and windows (420 rows a week). A fault begins four quiet weeks after the reference; {WORLDS} worlds
each, six weeks of the fault. Parts of the worlds in which something was told within 1, 2 and 4 weeks, the median of
days until then, and which checks spoke in at least a tenth of the worlds, with the median of days until they did. What
labels show is told 14 days after the fault at the earliest: a week for the window, and a week for its labels. The first
lines have no fault: what is told there is false, or late news of the weeks before.

| fault | task | 1 week | 2 weeks | 4 weeks | median | checks that spoke (days) |
|---|---|---|---|---|---|---|"""
TAIL = """
## What the tables say

- Where days come as the reference's did, with the seasons that it has seen, from windows of 200 rows to a million: no
  interval lies above its budget. Single values do by chance, most of all where months are few.
- Days that depend on each other (AR(1) with 0.9) are in the reference as well, and running windows show them. What a
  short reference cannot show is how far such a series wanders later: windows of a day go beyond the budget without
  floors.
- The promise takes losses of windows that depend on the window before as independent. Up to an autocorrelation of
  0.3 it alarms 0.6 times in 30 windows without any change, at 0.6 about once, at 0.9 more than twice.
  `fairlead watch --explain` tells the autocorrelation measured on the held-out and the newest windows, and from 0.5 on,
  where it is surely above 0, what it means. Longer windows depend less on each other.
- A season that the reference has not seen is no everyday variation: it is told, as the drift it is; shorter windows
  tell of it the more often, as each day of its rise may be one.
- What every check of a model raises is counted check by check (a day on which a column and the scores speak counts
  twice), and lies within the whole budget.
- Poisoned labels, another rule and larger errors are all found by the promise and by concept drift. That labels are
  poisoned, in blocks of 25 all over what came, is seen where short runs of arrivals differ more than those of earlier
  weeks did: always of numbers, of classes in half of the worlds within six weeks, as 25 of them tell little. A rule
  that changes is not taken for it, nor is one stretch that goes on to the end. The first four weeks know no usual.
  Labels that are late, or of another definition, are named for what they are.
- With fewer than about a hundred days (more for a tighter budget) nothing of this is an alarm: it is information, with
  "calibrating" and how long that will take beside it.

Made by `python -m benchmarks.alarm_table --references {references}`; the sample in `tests/unit/monitor` runs with
every `make test`, the whole with `make test-long`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--kept", type=Path, help="file of cells that are made; without: one a version of the code")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--write", type=Path, default=PAGE)
    asked = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    asked.write.write_text(page(asked.references, asked.data, asked.jobs, say, asked.kept))


if __name__ == "__main__":
    main()
