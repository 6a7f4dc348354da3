"""What a report of one window says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import ColumnProfile, Profile

FORMAT = 1
MOST_BINS = 64


class Spoken(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why one check spoke or was silent about one key. p: how often units of the reference went as far."""

    check: str
    key: str
    value: float | None
    limit: float | None
    usual: float | None
    speaks: bool
    why: str
    unit: str = ""
    against: str = ""
    p: float | None = None
    provisional: bool = False


class ColumnView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column, or output of the model, in the reference and in the window.

    kind: of the column; output: whether it is what the model answered. before, now: rows in each bin, missing cells
    apart; labels: of bins of words, edges: between bins of numbers, at most 64 bins, the rarest words together.
    missing, missing_before: shares of cells. mean, mean_before: in the column's own unit, None of words. distance,
    limit: of the drift check, where it looked. moved: whether a finding of this window is about it.
    """

    name: str
    kind: str
    before: tuple[int, ...]
    now: tuple[int, ...]
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    missing_before: float = 0.0
    missing: float = 0.0
    mean_before: float | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    distance: float | None = None
    limit: float | None = None
    output: bool = False
    moved: bool = False


class MetricView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric of the window. value: with its 95 % interval. usual: mean of held-out windows of the champion.

    estimated: whether it is what is expected before labels come. up: whether more of it is better. unsure: estimated
    of rows most of which lie where no row was held out, so that neither value nor interval is to be relied on.
    """

    name: str
    value: Interval
    usual: float | None = None
    estimated: bool = False
    up: bool = True
    unsure: bool = False


class Point(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window among others, for curves over time."""

    index: int
    start: float
    end: float
    rows: int
    labelled: int = 0
    metrics: dict[str, float] = {}


class Decided(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision made since the window began. undo: the command that takes it back."""

    id: str
    action: str
    at: float
    why: str
    outcome: str = ""
    undo: str = ""


class WindowReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything known of one window, and of those before it as far as curves need it.

    made_at: clock of the home. zone: of the times that people read. calibration: how the limits are known. evidence,
    threshold, promised: of the promise, on labelled windows. labels: how far labels stand for all rows, in a sentence.
    incidents: number, severity and title of those that last.
    """

    model: str
    window: Window
    version: int
    made_at: float
    zone: str
    headline: str
    calibration: str = ""
    findings: tuple[Finding, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    silent: int = 0
    columns: tuple[ColumnView, ...] = ()
    metrics: tuple[MetricView, ...] = ()
    evidence: float | None = None
    threshold: float | None = None
    promised: float | None = None
    labels: str = ""
    trend: tuple[Point, ...] = ()
    decisions: tuple[Decided, ...] = ()
    incidents: tuple[tuple[int, str, str], ...] = ()
    format: int = FORMAT


def columns_of(
    reference: Profile,
    profile: Profile,
    findings: Sequence[Finding],
    judged: Mapping[tuple[str, str], tuple[float | None, float | None]],
) -> tuple[ColumnView, ...]:
    """Columns and outputs of a window beside the reference's, those that moved first, then by distance.

    judged: distance and limit by (kind, name), kind "columns" or "scores".
    """
    about = {name for f in findings for name in f.columns}
    found: list[ColumnView] = []
    for output, live, sealed in (
        (False, profile.columns, reference.columns), (True, profile.scores, reference.scores)
    ):  # fmt: skip
        known = {c.bins.name: c for c in sealed}
        for now in live:
            before = known.get(now.bins.name)
            if before is not None and len(before.counts) == len(now.counts):
                distance, limit = judged.get(("scores" if output else "columns", now.bins.name), (None, None))
                found.append(_view(before, now, output, now.bins.name in about, distance, limit))
    return tuple(sorted(found, key=lambda c: (not c.moved, -(c.distance or 0.0), c.name)))


def _view(
    before: ColumnProfile, now: ColumnProfile, output: bool, moved: bool, distance: float | None, limit: float | None
) -> ColumnView:
    more: dict[str, Any] = {}
    bins = now.bins
    p, q = np.asarray(before.counts, dtype=np.int64), np.asarray(now.counts, dtype=np.int64)
    if bins.categories or bins.kind in ("category", "text"):
        labels = (*bins.categories, "other")[: len(p)]
        if len(p) > MOST_BINS:
            order = np.sort(np.argsort(-(p + q), kind="stable")[: MOST_BINS - 1])
            rest = np.setdiff1d(np.arange(len(p)), order)
            labels = (*(labels[i] for i in order), f"{len(rest)} others")
            p, q = (np.append(side[order], side[rest].sum()) for side in (p, q))
        more["labels"] = labels
    else:
        more |= {
            "edges": bins.edges, "low": _least(before.low, now.low), "high": _most(before.high, now.high),
            "mean_before": _mean(before), "mean": _mean(now),
        }  # fmt: skip
    return ColumnView(
        bins.name, bins.kind, tuple(map(int, p)), tuple(map(int, q)),
        missing_before=before.missing / max(before.rows, 1), missing=now.missing / max(now.rows, 1),
        distance=distance, limit=limit, output=output, moved=moved, **more,
    )  # fmt: skip


def _mean(column: ColumnProfile) -> float | None:
    seen = column.rows - column.missing
    return column.bins.shift + column.bins.scale * column.z / seen if seen > 0 else None


def _least(one: float | None, other: float | None) -> float | None:
    return min((v for v in (one, other) if v is not None), default=None)


def _most(one: float | None, other: float | None) -> float | None:
    return max((v for v in (one, other) if v is not None), default=None)
