"""False alarms a month where nothing changes, and delays where something does; `alarm_table` writes the page.

Every scenario draws references and the months after them, calibrates as the product does, and asks the product's
limits about every look at every window. An alarm is a window (a day, where windows are shorter) in which something
speaks that did not in the one before. Intervals are 95 %, over references (bootstrap), since the months after one
reference share its luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.alarm_streams import DAY, Stream, counts_of, reference_of, with_groups
from fairlead.contract.settings import FloorSettings, ModelSettings, MonitorSettings, Settings
from fairlead.ops.monitor.budget import JOINT
from fairlead.ops.monitor.calibration import Calibration, calibration_of
from fairlead.ops.monitor.folding import runs, taken
from fairlead.ops.monitor.joint import statistics_in_use
from fairlead.ops.monitor.statistic import Counted, Folded

ROWS_A_DAY = 20_000
BUDGET = JOINT
"""Of one false alarm a month for the whole project, this part is for what is calibrated jointly."""


@dataclass(frozen=True)
class Scenario:
    """window: as in `[monitor] window`. days: of the reference. months: lived through after each reference.

    floors: whether effect floors are those of a project, or none, so that the statistics stand alone.
    """

    stream: Stream
    window: str
    rows_a_day: int = ROWS_A_DAY
    days: int = 200
    months: int = 6
    floors: bool = True


@dataclass(frozen=True)
class Lived:
    """alarmed: (windows,) whether each spoke, at any look; first: the look at which it did, -1 for never. units: the
    same of each unit: of each day, where windows are shorter.

    windows_a_month; provisional: whether the reference was too short.
    """

    alarmed: np.ndarray
    first: np.ndarray
    units: np.ndarray
    windows_a_month: float
    provisional: bool

    @property
    def alarms(self) -> int:
        """Units in which something speaks where in the one before nothing did."""
        return int((self.units & ~np.concatenate([[False], self.units[:-1]])).sum())


def settings_of(scenario: Scenario) -> Settings:
    """A project with that window and one false alarm a month."""
    floors = FloorSettings() if scenario.floors else FloorSettings(drift=0.0, share=0.0, spread=0.0)
    return Settings(
        model=ModelSettings(name="m", task="regression", target="y", time="at"),
        monitor=MonitorSettings(window=scenario.window, floors=floors),
    )


def live(scenario: Scenario, seed: int, fault: Stream | None = None) -> Lived:
    """One reference and the months after it. fault: the stream after the reference, where it is another."""
    rng = np.random.default_rng(seed)
    hourly = hours_of(scenario.window, scenario.rows_a_day) < 24.0
    step = 1.0 / 24.0 if hourly else 1.0
    days = np.arange(0, scenario.days + 30 * scenario.months, step)
    rows = scenario.rows_a_day * step
    counts = counts_of(scenario.stream, days, rows, rng)
    known = len(days) - int(30 * scenario.months / step)
    if fault is not None:
        counts = joined(taken(counts, np.arange(known)), counts_of(fault, days[known:], rows, rng))
    return after_reference(counts, days, known, scenario, rng)


def after_reference(
    counts: Folded, days: np.ndarray, known: int, scenario: Scenario, rng: np.random.Generator
) -> Lived:
    """What follows the first `known` steps, judged by limits that they set."""
    # Slots begin on a Monday, as windows of whole weeks do.
    starts = (days + 4.0) * DAY
    step_s = float(days[1] - days[0]) * DAY
    reference = reference_of(taken(counts, np.arange(known)), starts[:known], step_s)
    pace = DAY / scenario.rows_a_day
    calibration = calibration_of(reference, settings_of(scenario), statistics_in_use(), pace)
    after = with_groups(taken(counts, np.arange(known, len(days))), reference)
    return judged(calibration, after, starts[known:], scenario, rng)


def joined(a: Folded, b: Folded) -> Folded:
    """The steps of one after those of the other."""

    def of(x: dict, y: dict) -> dict:  # type: ignore[type-arg]
        return {
            n: replace(
                c, rows=np.concatenate([c.rows, y[n].rows]), missing=np.concatenate([c.missing, y[n].missing]),
                counts=np.concatenate([c.counts, y[n].counts]), z=np.concatenate([c.z, y[n].z]),
                zz=np.concatenate([c.zz, y[n].zz]),
            )
            for n, c in x.items()
        }  # fmt: skip

    return Folded(
        np.concatenate([a.rows, b.rows]), of(dict(a.columns), dict(b.columns)), of(dict(a.scores), dict(b.scores))
    )


def hours_of(window: str, rows_a_day: int) -> float:
    """How long a window lasts."""
    if window.endswith("rows"):
        return 24.0 * int(window.removesuffix("rows")) / rows_a_day
    return {"h": 1.0, "d": 24.0}[window[-1]] * float(window[:-1])


def judged(
    calibration: Calibration, after: Folded, starts: np.ndarray, scenario: Scenario, rng: np.random.Generator
) -> Lived:
    """Every look at every window, by the product's limits."""
    grid = calibration.grid
    hours = hours_of(scenario.window, scenario.rows_a_day)
    step_h = 24.0 if len(starts) < 2 else (starts[1] - starts[0]) / 3600.0
    a_month = 30 * 24.0 / hours
    if hours >= step_h:
        length = round(hours / step_h)
        first = np.arange(0, len(starts) - length + 1, length)
        looks = [look for look in calibration.levels if look < length] + [length]
        spoken = np.stack([_spoken(calibration, after, starts, first, first + look, look) for look in looks])
        at = np.where(spoken.any(axis=0), spoken.argmax(axis=0), -1)
        units = _by_day(spoken.any(axis=0), starts[first]) if hours < 24 else spoken.any(axis=0)
        return Lived(spoken.any(axis=0), at, units, a_month, calibration.provisional)
    begins = np.arange(starts[0], starts[-1] + 3600.0 * step_h - 1.0, 3600.0 * hours)
    calm = replace(scenario.stream, busy=lambda days, _: np.ones(len(days)))
    shown = counts_of(calm, begins / DAY - 4.0, grid.rows, rng)
    shown = Folded(shown.rows, _grouped(shown.columns, after.columns), _grouped(shown.scores, after.scores))
    spoken = _spoken_of(calibration, shown, begins, max(calibration.levels))
    return Lived(spoken, np.where(spoken, 0, -1), _by_day(spoken, begins), a_month, calibration.provisional)


def _by_day(spoken: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Whether any window of each day spoke."""
    number = np.unique(np.floor(starts / DAY + 1e-9), return_inverse=True)[1].reshape(-1)
    return np.bincount(number, spoken) > 0


def _grouped(made: Mapping[str, Counted], known: Mapping[str, Counted]) -> dict[str, Counted]:
    return {name: replace(c, groups=known[name].groups) for name, c in made.items()}


def _spoken(
    calibration: Calibration, after: Folded, starts: np.ndarray, first: np.ndarray, last: np.ndarray, look: int
) -> np.ndarray:
    near = max((known for known in calibration.levels if known <= look), default=min(calibration.levels))
    return _spoken_of(calibration, runs(after, first, last), starts[first], near)


def _spoken_of(calibration: Calibration, windows: Folded, starts: np.ndarray, look: int) -> np.ndarray:
    """Whether any statistic of each window is beyond its limit and its floor, (n,), as `Calibration.judge` says it."""
    level = calibration.levels[look]
    slots = np.asarray([calibration.grid.slot_of(at) for at in starts])
    phase = level.season.phases_of(slots)
    rest = taken(level.rest, phase)
    height, floors = calibration.limit, calibration.settings.monitor.floors
    spoken = np.zeros(len(starts), dtype=bool)
    for statistic in calibration.statistics:
        floor = getattr(floors, statistic.floor)
        for key, values in statistic.values(windows, rest).items():
            if (statistic.name, key) in level.centre:
                centre = level.centre[statistic.name, key][phase]
                scale = level.scale[statistic.name, key][phase]
                with np.errstate(invalid="ignore"):
                    spoken |= values > np.maximum(centre + height * scale, floor)
    return spoken


@dataclass(frozen=True)
class Rate:
    """Alarms a month with a 95 % interval, over `references` references and `months` months."""

    value: float
    low: float
    high: float
    references: int
    months: float
    calibrating: int


def rate_of(scenario: Scenario, references: int, seed: int = 0) -> Rate:
    """False alarms a month in what follows so many references."""
    return rate_in([live(scenario, seed + i) for i in range(references)])


def rate_in(lived: Sequence[Lived]) -> Rate:
    """False alarms a month. The interval is a bootstrap over references; with few alarms, nearly the rule of three."""
    ready = [one for one in lived if not one.provisional]
    months = sum(len(one.alarmed) / one.windows_a_month for one in ready)
    if not ready:
        return Rate(np.nan, np.nan, np.nan, len(lived), 0.0, len(lived))
    each = np.asarray([one.alarms for one in ready], dtype=np.float64)
    spans = np.asarray([len(one.alarmed) / one.windows_a_month for one in ready])
    drawn = np.random.default_rng(1).integers(0, len(each), (2000, len(each)))
    rates = each[drawn].sum(axis=1) / spans[drawn].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    if each.sum() < 3:
        high = max(float(high), (3.0 + 2.0 * each.sum()) / months)
    return Rate(float(each.sum() / months), float(low), float(high), len(lived), months, len(lived) - len(ready))


def delays_of(scenario: Scenario, fault: Stream, references: int, seed: int = 0) -> tuple[float, float]:
    """Part of references after which the fault's first window alarms, and days until it is told (median of those)."""
    hours = hours_of(scenario.window, scenario.rows_a_day)
    told = []
    for i in range(references):
        lived = live(scenario, seed + i, fault)
        if lived.alarmed.any():
            window = int(lived.alarmed.argmax())
            look = int(lived.first[window]) + 1
            inside = look if hours > 24 else 1
            told.append(window * hours / 24.0 + inside * (1.0 if hours > 24 else hours / 24.0))
        else:
            told.append(np.inf)
    within = float(np.mean(np.asarray(told) <= max(hours / 24.0, 1.0) + 1e-9))
    return within, float(np.median(told))
