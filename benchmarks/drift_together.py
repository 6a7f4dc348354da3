"""All columns together, correlations and slices: false alarms of quiet windows, power and delay of what they look for.

    python -m benchmarks drift_together                about 2 CPU minutes
    python -m benchmarks.readme                        writes the table of docs/explanation/drift-together.md anew

Scenario `drift-together`, a permanent id. Worlds of their own seeds, each with a reference and 26 live windows: six
numbers, which go together in part, two categories, of which the first's fourth level has a tenth of the rows. Every day
has a level of its own that wanders (AR(1), 0.5), and weekends differ. Faults begin in the first live window and stay:
correlation: two columns that go together by +0.6 or +0.3 do so by -0.6 or -0.3, their own distributions kept;
slice: one number moves by 1 or 0.5 deviations in the tenth of the rows. `alarms` is the share of quiet windows in which
anything is told that is more than information, `allowed` what the budget gives these checks, `found` the share of
worlds told of the fault itself within so many windows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from fairlead.contract.events import Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.ops.monitor import Rows, Seen, calibrate
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.checks.together import StandsOut
from fairlead.ops.monitor.learnt import MOST_ROWS, Learnt

DAY = 86_400.0
LIVE = 26
LEVELS = np.array(["north", "south", "west", "isles"], dtype=object)
KINDS = np.array(["new", "old"], dtype=object)
SIGNATURE = Signature(
    task="regression",
    columns=(
        *(Column(f"x{i}", "number") for i in range(6)), Column("region", "category", categories=tuple(LEVELS)),
        Column("kind", "category", categories=tuple(KINDS)),
    ),
)  # fmt: skip
MIXED = np.array([1.0, 0.6, 0.3, 0.0, 0.0, 0.0])
"""How each number follows the first one."""

Cells = dict[str, np.ndarray]
Fault = Callable[[np.ndarray, np.ndarray, np.random.Generator], None]


@dataclass(frozen=True)
class Setup:
    """days: of the reference; window: days of one; a_day: rows of a day."""

    days: int
    window: int
    a_day: int

    @property
    def settings(self) -> Settings:
        """Of a project with such windows."""
        return Settings(
            model=ModelSettings(name="m", task="regression", target="y", time="at"),
            monitor=MonitorSettings(window=f"{self.window}d"),
        )


SETUPS = {"a year of weeks": Setup(364, 7, 400), "400 days": Setup(400, 1, 300)}


def reverse(columns: tuple[int, int]) -> Fault:
    """The second column, turned over about the level of its day: its distribution stays."""
    return lambda noise, inside, rng: np.negative(noise[:, columns[1]], out=noise[:, columns[1]])


def shift(by: float) -> Fault:
    """The fourth number moves in the tenth of the rows."""

    def moved(noise: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> None:
        noise[inside, 3] += by

    return moved


OF_SLICES = {"slice_drift", "slice_shift"}
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "correlation +0.6 to -0.6": (reverse((0, 1)), {"correlation"}),
    "correlation +0.3 to -0.3": (reverse((0, 2)), {"correlation"}),
    "slice of a tenth moved by 1": (shift(1.0), OF_SLICES),
    "slice of a tenth moved by 0.5": (shift(0.5), OF_SLICES),
}


def levels(days: int, rng: np.random.Generator) -> np.ndarray:
    """A level of each number a day, (days, 6): it wanders, and weekends differ."""
    found, at = np.zeros((days, 6)), rng.normal(size=6)
    for day in range(days):
        at = 0.5 * at + np.sqrt(0.75) * rng.normal(size=6)
        found[day] = 0.15 * at + 0.3 * (day % 7 >= 5) * np.array([1, 0, 0, 0, 1, 0])
    return found


def rows_of(days: np.ndarray, level: np.ndarray, a_day: int, rng: np.random.Generator, fault: Fault | None) -> Cells:
    """Rows of some days. days: their numbers; level: (days, 6)."""
    n = len(days) * a_day
    inside = rng.random(n)
    region = LEVELS[np.searchsorted([0.4, 0.7, 0.9], inside)]
    noise = rng.normal(size=(n, 6))
    noise = noise[:, :1] * MIXED + noise * np.sqrt(1.0 - MIXED**2)
    if fault is not None:
        fault(noise, inside >= 0.9, rng)
    values = noise + np.repeat(level, a_day, axis=0)
    weekend = np.repeat(days % 7 >= 5, a_day)
    kind = KINDS[(rng.random(n) < np.where(weekend, 0.4, 0.5)).astype(int)]
    return {**{f"x{i}": values[:, i] for i in range(6)}, "region": region, "kind": kind}


@dataclass
class World:
    """One seed: its reference, and what is allowed a window."""

    setup: Setup
    seed: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 0])
        setup = self.setup
        self.level = levels(setup.days + LIVE * setup.window, rng)
        days = np.arange(setup.days)
        columns = rows_of(days, self.level[: setup.days], setup.a_day, rng, None)
        times = np.repeat(days, setup.a_day) * DAY + np.tile(np.arange(setup.a_day) * DAY / setup.a_day, setup.days)
        end = setup.days * DAY
        self.reference = Reference(profile(columns, bins_for(columns, SIGNATURE), end=end))
        self.bins = [c.bins for c in self.reference.profile.columns]
        step = -(-len(times) // MOST_ROWS)
        kept = {name: cells[::step] for name, cells in columns.items()}
        self.learnt = Learnt(kept, times[::step], True, 1.0 / step, "b")
        self.thresholds = calibrate(self.reference, setup.settings)
        self.allowed = allowed(setup.settings, "rows")

    def told(self, fault: Fault | None = None, windows: int = LIVE) -> list[set[str]]:
        """The checks that told more than information, window by window."""
        setup, found, memory = self.setup, [], None
        rng = np.random.default_rng([self.seed, 1])
        for index in range(windows):
            first = setup.days + index * setup.window
            days = np.arange(first, first + setup.window)
            columns = rows_of(days, self.level[first : first + setup.window], setup.a_day, rng, fault)
            n = len(columns["x0"])
            begin, end = first * DAY, (first + setup.window) * DAY
            seen = Seen(
                window=Window("m", index, begin, end, rows=n, bundle="b", state="closed"),
                profile=profile(columns, self.bins), reference=self.reference, thresholds=self.thresholds,
                settings=setup.settings, signature=SIGNATURE, learnt=self.learnt, memory=memory,
                rows=Rows(columns, begin + np.arange(n) * (end - begin) / n, np.zeros((n, 1))),
            )  # fmt: skip
            found.append({f.check for f in StandsOut().look(seen, self.allowed) if f.severity != "info"})
            memory = seen.kept[0]
        return found


def measured(setup: Setup, worlds: int, faulty: int) -> dict[str, Any]:
    """False alarms of quiet worlds, power and delay in `faulty` of them."""
    quiet: list[bool] = []
    delays: dict[str, list[int | None]] = {name: [] for name in FAULTS}
    share = 0.0
    for seed in range(worlds):
        world = World(setup, seed)
        share = world.allowed
        quiet += [bool(told) for told in world.told()]
        for name, (fault, checks) in FAULTS.items() if seed < faulty else ():
            found = [bool(checks & told) for told in world.told(fault, 4)]
            delays[name].append(found.index(True) + 1 if any(found) else None)
        print(f"    {setup}: {seed + 1} worlds, {sum(quiet)} of {len(quiet)}", file=sys.stderr, flush=True)
    # Windows of one world share its reference: worlds are the observations.
    rates = np.asarray(quiet, dtype=np.float64).reshape(worlds, -1).mean(axis=1)
    reach = 1.96 * float(rates.std(ddof=1)) / np.sqrt(worlds)
    # As wide at least as that of windows that share nothing, which says something of no alarm at all, too.
    alone = binomtest(sum(quiet), len(quiet)).proportion_ci()
    answer: dict[str, Any] = {
        "allowed": round(share, 4), "windows": len(quiet), "alarms": round(float(rates.mean()), 4),
        "alarms_low": round(min(max(float(rates.mean()) - reach, 0.0), float(alone.low)), 4),
        "alarms_high": round(max(float(rates.mean()) + reach, float(alone.high)), 4), "faults": {},
    }  # fmt: skip
    for name, each in delays.items():
        at = [sum(d is not None and d <= most for d in each) for most in (1, 2, 4)]
        interval = binomtest(at[0], len(each)).proportion_ci()
        answer["faults"][name] = {
            "worlds": len(each), "found": [round(k / len(each), 3) for k in at],
            "low": round(float(interval.low), 3), "high": round(float(interval.high), 3),
        }  # fmt: skip
    return answer


def main() -> None:
    worlds, faulty = (int(n) for n in (sys.argv[1:] or ["40", "30"]))
    print(json.dumps({"scenario": "drift-together", **{n: measured(s, worlds, faulty) for n, s in SETUPS.items()}}))


if __name__ == "__main__":
    main()
