"""What the watcher found last, left in the home for the data plane's page of metrics."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from fairlead.contract.events import Window
from fairlead.contract.gauges import FOLDER, MOST_COLUMNS, Distance, Watched, file_of
from fairlead.contract.profile import ColumnProfile
from fairlead.ops.flow.tracker import NEVER, Tracker, read_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.thresholds import bin_groups, calibrate, distances_on

NEWEST = 64


def write_gauges(ws: Workspace) -> Path:
    """Write what is known of the model now, whole or not at all. Raises OSError."""
    folder = ws.home.run / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / file_of(ws.model)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(watched_now(ws)))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def watched_now(ws: Workspace) -> Watched:
    """What the state says of the model; reads only."""
    tracker = read_tracker(ws)
    windows = ws.state.windows(ws.model, last=NEWEST)
    closed = next((w for w in reversed(windows) if w.state in ("closed", "scored")), None)
    scored = next((w for w in reversed(windows) if w.state == "scored" and w.labelled), None)
    findings = Counter((f.area, f.severity) for f in ws.state.findings(ws.model))
    promise = tracker.promise
    seen = tracker.largest > NEVER
    return Watched(
        model=ws.model,
        at=ws.clock(),
        judged=tracker.start if seen else None,
        window=closed.index if closed else None,
        rows=closed.rows if closed else 0,
        labelled=scored.labelled if scored else 0,
        late=scored.late if scored else 0,
        metrics={name: value for name, value in scored.metrics.items() if np.isfinite(value)} if scored else {},
        distances=_remembered(ws, tracker, closed) if closed else (),
        findings=tuple((area, severity, count) for (area, severity), count in sorted(findings.items())),
        incidents=dict(Counter(i.severity for i in ws.state.incidents(ws.model) if i.lasts)),
        evidence=min(promise.evidence, 1e300) if promise and not promise.calibrating else None,
        threshold=promise.limit if promise and not promise.calibrating else None,
        waits=max(tracker.largest - tracker.start, 0.0) if seen and tracker.start is not None else None,
    )


def _remembered(ws: Workspace, tracker: Tracker, window: Window) -> tuple[Distance, ...]:
    key = tracker.champion, window.index
    kept = _distances_of(ws)
    if key not in kept:
        kept.clear()
        kept[key] = _distances(ws, tracker, window)
    return kept[key]


@lru_cache(maxsize=4)
def _distances_of(ws: Workspace) -> dict[tuple[str, int], tuple[Distance, ...]]:
    return {}


def _distances(ws: Workspace, tracker: Tracker, window: Window) -> tuple[Distance, ...]:
    """Of the columns and outputs of a closed window, the farthest first."""
    from fairlead.lab.stats import decode_profile

    kept = ws.state.window_profile(ws.model, window.index)
    if kept is None or not tracker.champion or not window.rows:
        return ()
    model, profile = ws.load(tracker.champion), decode_profile(kept)
    reference = model.reference
    limits = calibrate(reference, ws.settings, signature=model.signature)
    found: list[Distance] = []
    for kind, now, before, known in (
        ("columns", profile.columns, reference.profile.columns, limits.columns),
        ("scores", profile.scores, reference.profile.scores, limits.scores),
    ):
        sealed = {c.bins.name: c for c in before}
        for live in now:
            value = _distance(sealed.get(live.bins.name), live)
            if value is not None:
                limit = known[live.bins.name].limit if live.bins.name in known else None
                found.append(Distance(live.bins.name, value, limit, kind))
    return tuple(sorted(found, key=lambda d: -d.value)[:MOST_COLUMNS])


def _distance(before: ColumnProfile | None, live: ColumnProfile) -> float | None:
    if before is None or len(before.counts) != len(live.counts):
        return None
    p, q = np.asarray(before.counts, dtype=np.float64), np.asarray(live.counts, dtype=np.float64)
    return float(distances_on(p, q[None, :], bin_groups(before))[0]) if p.sum() > 0 and q.sum() > 0 else None
