"""Limits of whole windows by column, as the joint calibration has them (`calibration.py`), and those of cells.

Rows of real tables depend on their neighbours: tests that take them as
independent alarm in every window. So the yardstick is windows made of
consecutive blocks of the reference, each compared with all others.
"""

from __future__ import annotations

from collections import OrderedDict
from statistics import NormalDist

import msgspec
import numpy as np

from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.calibration import Calibration
from fairlead.ops.monitor.grouped import Grouped, grouped_of
from fairlead.ops.monitor.statistic import bin_groups
from fairlead.ops.monitor.statistics import distances_on

__all__ = [
    "NEEDED",
    "SHARE_FLOOR",
    "Limit",
    "Shares",
    "Thresholds",
    "bin_groups",
    "calibrate",
    "distances_on",
]

NEEDED = 8
"""Windows that a usual level may be known from."""

SHARE_FLOOR = 0.02
"""Least rise of a share (missing cells, new categories) that matters."""

SHARING = 8

BEYOND_FLOOR = 1.5
"""Deviations outside the known range that are no news: the extremes of a sample grow with it."""

KEPT = 8


class Limit(msgspec.Struct, frozen=True):
    """One column. centre, scale: distances of reference windows; limit: where an alarm begins, for `rows` rows."""

    centre: float
    scale: float
    limit: float
    rows: float


class Shares(msgspec.Struct, frozen=True):
    """Largest share expected of missing cells and other categories; beyond: deviations outside the known range."""

    missing: float
    other: float
    beyond: float


class Thresholds(msgspec.Struct, frozen=True):
    """columns, scores: drift limits by name, empty while calibrating. shares: quality limits by column name.

    windows: reference windows that were compared. calibrating: too few of them; `why` says so. alarm_rate: alarms
    a window that checks of inputs beside the joint calibration are allowed.
    """

    columns: dict[str, Limit]
    scores: dict[str, Limit]
    shares: dict[str, Shares]
    windows: int
    calibrating: bool
    why: str
    alarm_rate: float


def calibrate(
    reference: Reference, settings: Settings, seconds_per_row: float = 0.0, signature: Signature | None = None
) -> Thresholds:
    """Where alarms of drift and quality begin in whole windows, within the project's budget. Pure.

    signature: of the model, some of whose statistics depend on it.
    """
    from fairlead.ops.monitor.joint import joint_of

    joint = joint_of(reference, settings, seconds_per_row, signature=signature)
    # The same for every window: asked anew, it costs as much as all checks of a small one.
    key = (id(reference), id(joint), repr(settings.monitor), seconds_per_row)
    if key not in _known:
        _known[key] = reference, joint, _made(reference, joint, settings, seconds_per_row)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key][2]


_known: OrderedDict[tuple[object, ...], tuple[Reference, Calibration, Thresholds]] = OrderedDict()


def _made(reference: Reference, joint: Calibration, settings: Settings, seconds_per_row: float) -> Thresholds:
    # Checks of inputs beside the joint calibration share one part of the budget, about as many as these.
    rate = allowed(settings, "inputs", seconds_per_row or _pace(reference)) / SHARING
    shares = _share_limits(reference.profile, grouped_of(reference, settings), rate)
    columns = {} if joint.provisional else _limits(joint, "drift", settings)
    scores = {} if joint.provisional else _limits(joint, "scores", settings)
    return Thresholds(columns, scores, shares, int(joint.known), joint.provisional, joint.why, rate)


def _limits(joint: Calibration, statistic: str, settings: Settings) -> dict[str, Limit]:
    level = joint.levels[max(joint.levels)]
    found = {}
    for (name, key), centre in level.centre.items():
        if name == statistic:
            usual, scale = float(centre.mean()), float(level.scale[name, key].mean())
            limit = max(usual + joint.limit * scale, settings.monitor.floors.drift)
            found[key] = Limit(usual, scale, limit, float(np.median(level.rows)))
    return found


def _pace(reference: Reference) -> float:
    profile = reference.profile
    return (profile.end - profile.start) / profile.rows if profile.rows and profile.end > profile.start else 0.0


def _share_limits(profile: Profile, windows: Grouped, rate: float) -> dict[str, Shares]:
    checks = max(2 * len(profile.columns), 1)
    z = NormalDist().inv_cdf(1.0 - min(rate / checks, 0.25))
    limits: dict[str, Shares] = {}
    for index, column in enumerate(profile.columns):
        known = windows.column(index)
        other = 1.0
        if column.bins.categories:
            seen = column.rows - column.missing
            cells = known.counts[:, -1] if len(windows) else np.zeros(0)
            other = _share_limit(column.counts[-1], seen, cells, known.present, z)
        limits[column.bins.name] = Shares(
            _share_limit(column.missing, column.rows, known.missing, known.rows, z), other,
            _beyond_limit(column, known.low, known.high),
        )  # fmt: skip
    return limits


def _share_limit(count: int, rows: int, counts: np.ndarray, sizes: np.ndarray, z: float) -> float:
    """counts of sizes: of each window, (windows,)."""
    share = (count + 1.0) / (rows + 2.0)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    noise = z * np.sqrt(share * (1.0 - share) / (np.median(sizes) if len(sizes) else 100.0))
    largest = float((counts / sizes).max()) if len(sizes) else share
    return float(min(max(largest + noise, share + SHARE_FLOOR), 1.0))


def _beyond_limit(column: ColumnProfile, lows: np.ndarray, highs: np.ndarray) -> float:
    """Deviations outside the range of all other windows that a window of the reference went, doubled."""
    if len(lows) < 2:
        return BEYOND_FLOOR
    low, high = _least_of_others(lows), -_least_of_others(-highs)
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(lows) & np.isfinite(highs)
    beyond = np.maximum(low[known] - lows[known], highs[known] - high[known]) / column.bins.scale
    return max(2.0 * float(beyond.max(initial=0.0)), BEYOND_FLOOR)


def _least_of_others(values: np.ndarray) -> np.ndarray:
    """The least of all others for each of two or more, (n,)."""
    first, second = np.partition(values, 1)[:2]
    found = np.full(len(values), first)
    found[int(np.argmin(values))] = second
    return found
