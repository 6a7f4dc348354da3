"""What watchers found last, as metrics: read from the files they leave in the home."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from fairlead.contract.gauges import FOLDER, FORMAT, MOST_COLUMNS, Watched, file_of
from fairlead.runtime.serve.observing.page import Family, Page

LARGEST = 1 << 20
MOST_METRICS = 64

FAMILIES: dict[str, Family] = {
    "fairlead_watch_pass_timestamp_seconds": Family(
        "gauge", "When the watcher last looked at a model, since the epoch.", ("model_name",)
    ),
    "fairlead_watch_judged_timestamp_seconds": Family(
        "gauge", "Event time up to which windows have been closed.", ("model_name",)
    ),
    "fairlead_watch_lag_seconds": Family(
        "gauge", "Event time of records in no closed window yet: newest record less that of the line above.",
        ("model_name",),
    ),
    "fairlead_window_rows": Family("gauge", "Rows of the newest closed window.", ("model_name",)),
    "fairlead_window_labelled_rows": Family("gauge", "Rows of the newest scored window with a label.", ("model_name",)),
    "fairlead_window_late_rows": Family(
        "gauge", "Rows of the newest scored window that came after it was closed.", ("model_name",)
    ),
    "fairlead_window_metric": Family(
        "gauge", "A metric of the newest scored window, or (source estimated) what is expected before labels come.",
        ("model_name", "metric", "source"),
    ),
    "fairlead_drift_distance": Family(
        "gauge", "Distance of a column or output in the newest window from the reference.",
        ("model_name", "kind", "column"),
    ),
    "fairlead_drift_limit": Family(
        "gauge", "Distance at which an alarm begins, within the budget of false alarms.",
        ("model_name", "kind", "column"),
    ),
    "fairlead_findings_open": Family("gauge", "Findings that last.", ("model_name", "area", "severity")),
    "fairlead_incidents_open": Family("gauge", "Incidents that last.", ("model_name", "severity")),
    "fairlead_promise_evidence": Family(
        "gauge", "Evidence that the model loses more than it was released with.", ("model_name",)
    ),
    "fairlead_promise_threshold": Family("gauge", "Evidence that makes an alarm.", ("model_name",)),
}  # fmt: skip


def watched(run: Path, models: Collection[str]) -> Iterator[Watched]:
    """What is known of these models, by name; a file that cannot be read says nothing."""
    for model in sorted(models):
        path = run / FOLDER / file_of(model)
        try:
            if path.stat().st_size > LARGEST:
                continue
            found = msgspec.json.decode(path.read_bytes(), type=Watched)
        except (OSError, msgspec.MsgspecError):
            continue
        if found.model == model and found.format == FORMAT:
            yield found


def add_watched(page: Page, run: Path, models: Collection[str]) -> None:
    """Their gauges, bounded by what a file may hold."""
    every = list(watched(run, models))
    single: tuple[tuple[str, Callable[[Watched], float | None]], ...] = (
        ("fairlead_watch_pass_timestamp_seconds", lambda w: w.at),
        ("fairlead_watch_judged_timestamp_seconds", lambda w: w.judged),
        ("fairlead_watch_lag_seconds", lambda w: w.waits),
        ("fairlead_window_rows", lambda w: None if w.window is None else w.rows),
        ("fairlead_window_labelled_rows", lambda w: w.labelled if w.metrics else None),
        ("fairlead_window_late_rows", lambda w: w.late if w.metrics else None),
        ("fairlead_promise_evidence", lambda w: w.evidence),
        ("fairlead_promise_threshold", lambda w: w.threshold),
    )
    for name, of in single:
        for one in every:
            value = of(one)
            if value is not None:
                page.add(name, (one.model,), value)
    for one in every:
        for source, metrics in (("realised", one.metrics), ("estimated", one.estimated)):
            for metric, value in sorted(metrics.items())[:MOST_METRICS]:
                page.add("fairlead_window_metric", (one.model, metric, source), value)
    for one in every:
        for d in one.distances[:MOST_COLUMNS]:
            page.add("fairlead_drift_distance", (one.model, d.kind, d.name), d.value)
    for one in every:
        for d in one.distances[:MOST_COLUMNS]:
            if d.limit is not None:
                page.add("fairlead_drift_limit", (one.model, d.kind, d.name), d.limit)
    for one in every:
        for area, severity, count in one.findings[:MOST_METRICS]:
            page.add("fairlead_findings_open", (one.model, area, severity), count)
    for one in every:
        for severity, count in sorted(one.incidents.items()):
            page.add("fairlead_incidents_open", (one.model, severity), count)
