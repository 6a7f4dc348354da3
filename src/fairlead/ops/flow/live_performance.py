"""What `fairlead performance` tells: windows before and with labels, how good estimates were, reports beside live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.ops.flow.late_labels import more_labels
from fairlead.ops.flow.performing import KEPT, Figures, Reached, every_reached
from fairlead.ops.flow.workspace import Workspace

CHIEF = ("roc_auc", "accuracy", "mae", "pinball", "rmse", "loss")
"""The metric that is told first: the first of these that there is."""
FEWEST_VERSIONS = 3
FEWEST_WINDOWS = 4


def performance_of(ws: Workspace, last: int = 20) -> dict[str, Any]:
    """The answer of `fairlead performance`; reads only. last: windows that are listed."""
    every = every_reached(ws, KEPT)
    numbers = {row.bundle: row.number for row in ws.state.versions(ws.model)}
    metric = chief(every)
    versions = versions_of(ws, every, numbers)
    return {
        "model": ws.model,
        "metric": metric,
        "windows": [_window(one, numbers) for one in every[-max(last, 0) :]] if last else [],
        "kept": len(every),
        "record": record_of(every),
        "versions": versions,
        "correlation": correlations(versions),
        "assumes": (
            "an estimate takes it that rows like those held out are answered as well as they were: it follows a shift "
            "of the inputs, and is blind to a change of what they mean (concept drift)"
        ),
    }


def chief(every: Sequence[Reached]) -> str:
    """The metric that people look at first."""
    known = {name for one in every for name in (*one.newest, *one.estimated)}
    return next((name for name in CHIEF if name in known), "loss")


def _window(one: Reached, numbers: Mapping[str, int]) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(one)
    defaults = {"estimated": {}, "realised": {}, "stated": {}, "revised": [], "versions": {}, "how": "", "why": "",
                "labelled": 0, "effective": 0.0, "overlap": 1.0, "rows": 0, "definition": ""}  # fmt: skip
    return {**defaults, **told, "version": numbers.get(one.bundle), "late_labels": more_labels(one),
            "unsure": one.unsure}  # fmt: skip


def record_of(every: Sequence[Reached]) -> dict[str, dict[str, float]]:
    """How good the estimates were, by metric: windows that had both, mean error (above 0: estimated too high), mean
    absolute error, and the share of intervals that held what labels showed (95 % is what they promise).
    """
    found: dict[str, list[tuple[float, bool]]] = {}
    for one in every:
        if one.how == "bounds":
            continue
        for name, estimate in one.estimated.items():
            shown = one.newest.get(name)
            if shown is not None:
                found.setdefault(name, []).append((estimate.value - shown.value, _held(one, estimate, shown)))
    return {
        name: {
            "windows": len(told),
            "mean_error": float(np.mean([e for e, _ in told])),
            "mean_absolute_error": float(np.mean([abs(e) for e, _ in told])),
            "covered": float(np.mean([h for _, h in told])),
        }
        for name, told in sorted(found.items())
    }


def _held(one: Reached, estimate: Interval, shown: Interval) -> bool:
    """Whether labels showed what was estimated. An interval is for every row of the window; of labels of some alone
    what they show has an error of its own, which is added.
    """
    labelled = one.revised[-1].labelled if one.revised else one.labelled
    left_out = 1.0 - min(one.effective or labelled, labelled) / max(one.rows, 1)
    own = (shown.high - shown.low) / 2.0 * max(left_out, 0.0) ** 0.5
    gap = shown.value - estimate.value
    return (
        gap <= float(np.hypot(estimate.high - estimate.value, own))
        if gap > 0
        else -gap <= float(np.hypot(estimate.value - estimate.low, own))
    )


def versions_of(ws: Workspace, every: Sequence[Reached], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each version that was asked: its attested figures beside what it reached live, champion, challenger or shadow."""
    lived: dict[str, list[Figures]] = {}
    for one in every:
        for bundle, own in one.versions.items():
            lived.setdefault(bundle, []).append(own)
    told = []
    for bundle, figures in sorted(lived.items(), key=lambda pair: (numbers.get(pair[0], 0), pair[0])):
        live = {name: together(figures, name) for name in sorted({n for f in figures for n in f.metrics})}
        told.append({
            "version": numbers.get(bundle),
            "bundle": bundle,
            "windows": len(figures),
            "rows": sum(f.rows for f in figures),
            "shadow": all(f.shadow for f in figures),
            "offline": {n: msgspec.to_builtins(i) for n, i in attested(ws, bundle).items()},
            "live": {n: msgspec.to_builtins(i) for n, i in live.items() if i is not None},
        })  # fmt: skip
    return told


def attested(ws: Workspace, bundle: str) -> dict[str, Interval]:
    """The figures of the newest verdict that somebody signed for a bundle; empty without one."""
    from fairlead.contract.errors import BundleRefused
    from fairlead.runtime.bundle import attestations

    try:
        verdicts = [a for a in attestations(ws.home.attestations, bundle, ws.trusted) if a.kind == "verdict"]
    except BundleRefused:
        return {}
    if not verdicts:
        return {}
    newest = max(verdicts, key=lambda a: a.at)
    found = {}
    ends = newest.statement.get("intervals", {})
    for name, value in newest.statement.get("metrics", {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = ends.get(name, (value, value))
            found[name] = Interval(float(value), float(low), float(high))
    return found


def together(figures: Sequence[Figures], name: str) -> Interval | None:
    """A metric over several windows: the mean by labelled rows. Its interval has the larger of two deviations: what the
    windows' own intervals say, and how much windows differ.
    """
    from fairlead.lab.stats.quantiles import student

    told = [(f.rows, f.metrics[name]) for f in figures if name in f.metrics]
    if not told:
        return None
    weights = np.asarray([rows for rows, _ in told], dtype=np.float64)
    weights /= weights.sum()
    values = np.asarray([i.value for _, i in told])
    mean = float(weights @ values)
    inside = np.asarray([(i.high - i.low) / (2 * 1.96) for _, i in told])
    deviation = float(np.sqrt((weights**2 * inside**2).sum()))
    wide = 1.96
    if len(told) >= FEWEST_WINDOWS:
        between = float(np.sqrt((weights**2 * (values - mean) ** 2).sum() * len(told) / (len(told) - 1)))
        if between > deviation:
            deviation, wide = between, student(0.975, len(told) - 1)
    return Interval(mean, mean - wide * deviation, mean + wide * deviation)


def correlations(versions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Over versions, by metric: whether what was better in development was better live. From 3 versions; with 4 and
    more the interval of Pearson's r by Fisher's z. Source: Fisher, On the probable error of a coefficient of
    correlation (1921).
    """
    names = sorted({n for v in versions for n in v["offline"] if n in v["live"]})
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        both = [(v["offline"][name]["value"], v["live"][name]["value"]) for v in versions
                if name in v["offline"] and name in v["live"]]  # fmt: skip
        if len(both) < FEWEST_VERSIONS:
            continue
        a, b = np.asarray(both).T
        if a.std() <= 0 or b.std() <= 0:
            continue
        r = float(np.corrcoef(a, b)[0, 1])
        ranks = float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])
        told: dict[str, Any] = {"versions": len(both), "pearson": r, "spearman": ranks, "low": None, "high": None,
                                "mean_gap": float((b - a).mean())}  # fmt: skip
        if len(both) >= 4:
            z, half = float(np.arctanh(np.clip(r, -0.999999, 0.999999))), 1.96 / np.sqrt(len(both) - 3)
            told |= {"low": float(np.tanh(z - half)), "high": float(np.tanh(z + half))}
        found[name] = told
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties by their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse.reshape(-1)]
