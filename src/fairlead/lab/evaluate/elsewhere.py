"""A report whose figures are of all rows, judged by an engine where they lie, and whose other parts are of a sample.

Metrics, the mean loss, and how it differs from the best constant's and the champion's add up, so they are of every
row. What does not add up (importance, curves, sub-populations, fairness, calibration and the like) is of rows taken
evenly from all over the table, all of them where there are no more than `SAMPLE_ROWS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.evidence import Comparison, Report
from fairlead.lab.evaluate.folded import CHAMPION, CONSTANT, DRAWS, Asked, Judged, judge_on, refuse
from fairlead.lab.stats.measures import class_codes
from fairlead.lab.stats.spans import FEWEST_BLOCKS, window_length

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from fairlead.lab.tables.engines import Engine, Fold
    from fairlead.runtime.bundle import Model

SAMPLE_ROWS = 50_000
LAST_VALUE = "last_value"


class Extent(msgspec.Struct):
    """The truth of all rows: rows, of each class and of none of them, or their total; event time from low to high."""

    rows: int = 0
    counts: list[int] = []
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")


class Elsewhere(msgspec.Struct, frozen=True):
    """What an engine found. sampled: rows that the other parts are of. by_sample: metrics that do not add up; left_out:
    parts that neither gives, with the reason."""

    engine: str
    judged: Judged
    extent: Extent
    sampled: int
    by_sample: tuple[str, ...] = ()
    left_out: dict[str, str] = {}

    @property
    def whole(self) -> bool:
        """Whether the sample is all rows."""
        return self.sampled >= self.judged.rows + self.judged.unlabelled


def judge_elsewhere(
    engine: Engine, model: Model, folder: Path, trusted: Sequence[str], source: Any, settings: Settings, *,
    champion: tuple[Model, Path] | None = None, say: Callable[..., None] = lambda *words, **more: None,
) -> tuple[pd.DataFrame, Elsewhere]:  # fmt: skip
    """(the sample, figures of all rows). champion: another model and the folder of its bundle.

    Raises UsageError for models that are not judged row by row, ColumnMissing, CellInvalid, BundleRefused.
    """
    from fairlead.lab.tables.sources import MemoryTable, Table

    refuse(told := _told(model, settings))
    zone, names = settings.model.timezone, engine.columns(source)
    wanted = settings.model.time_columns
    times = tuple(wanted) if wanted and set(wanted) <= set(names) else ()
    say("reading the truth of all rows", done=0.0)
    extent = engine.fold(source, extent_fold(told, times, zone))
    asked = Asked(
        told, DRAWS, zone, model.reference.loss_clip, constant_of(extent, told), times, extent.low,
        stretch_of(extent, settings.monitor.window) if times else 0.0,
    )  # fmt: skip
    say("asking the model about all rows", done=0.2)
    judged = judge_on(engine, model, folder, trusted, source, asked=asked, champion=champion)
    say("taking rows from all over the table", done=0.8)
    rows = judged.rows + judged.unlabelled
    sample = engine.every(source, max(-(-rows // SAMPLE_ROWS), 1))
    # Cells of a CSV are text: they become what their columns hold.
    frame = Table.frame(MemoryTable(sample))
    return frame, Elsewhere(engine.name, judged, extent, sample.num_rows)


def _told(model: Model, settings: Settings) -> Signature:
    told = model.signature
    return told if told.target else msgspec.structs.replace(told, target=settings.model.target)


def extent_fold(told: Signature, times: tuple[str, ...], zone: str) -> Fold[Extent, Extent]:
    """The truth and the event time of all rows that have a truth."""
    from fairlead.lab.tables.engines import Fold

    def step(state: Extent, batch: pa.RecordBatch, first: int) -> Extent:
        from fairlead.lab.tables import event_times, target_of

        truth = target_of(batch, told)
        known = np.array([t is not None for t in truth]) if told.classes else np.isfinite(truth)
        found = Extent(int(known.sum()))
        if told.classes:
            codes = class_codes(truth[known], told.classes)
            found.counts = np.bincount(codes[codes >= 0], minlength=len(told.classes)).tolist()
        else:
            found.total = float(truth[known].sum())
        if times and known.any():
            at = event_times(batch, times, zone)[known]
            found.low, found.high = float(at.min()), float(at.max())
        return _joined([state, found])

    encoder = msgspec.msgpack.encode
    decode = msgspec.msgpack.Decoder(Extent).decode
    return Fold(lambda place: Extent(), step, encoder, decode, _joined, encoder, (told.target, *times))


def _joined(parts: Sequence[Extent]) -> Extent:
    counts = [np.array(p.counts) for p in parts if p.counts]
    return Extent(
        sum(p.rows for p in parts), np.sum(counts, axis=0).tolist() if counts else [], sum(p.total for p in parts),
        min(p.low for p in parts), max(p.high for p in parts),
    )  # fmt: skip


def constant_of(extent: Extent, told: Signature) -> tuple[float, ...]:
    """Scores of the best constant, as `constant_scores` has them."""
    if told.classes:
        known = sum(extent.counts)
        return tuple(count / known for count in extent.counts) if known else ()
    return (extent.total / extent.rows,) if extent.rows else ()


def stretch_of(extent: Extent, window: str) -> float:
    """Seconds that are drawn together: a window, but never fewer than 8 of them; 0 for so few rows that none are."""
    span = extent.high - extent.low
    if extent.rows < 2 * FEWEST_BLOCKS or not span > 0:
        return 0.0
    count, seconds = window_length(window, timed=True)
    return min(seconds or span * count / extent.rows, span / FEWEST_BLOCKS)


def with_all_rows(report: Report, found: Elsewhere) -> tuple[Report, Elsewhere]:
    """A sample's report with the figures of all rows in their places, and what could not be put there."""
    judged = found.judged
    assert judged.loss is not None
    metrics = {name: judged.metrics.get(name, told) for name, told in report.metrics.items()}
    metrics |= {name: told for name, told in judged.metrics.items() if name not in metrics}
    by_sample = tuple(name for name in metrics if name not in judged.metrics)
    left_out: dict[str, str] = {}
    baselines = tuple(_compared(b, judged, CONSTANT) if b.name != LAST_VALUE else b for b in report.baselines)
    if not found.whole and any(b.name == LAST_VALUE for b in baselines):
        left_out[LAST_VALUE] = "the row before each is not in a sample"
        baselines = tuple(b for b in baselines if b.name != LAST_VALUE)
    found = msgspec.structs.replace(found, by_sample=by_sample, left_out=left_out)
    champion = None if report.champion is None else _compared(report.champion, judged, CHAMPION)
    timed = found.extent.high > found.extent.low
    return msgspec.structs.replace(
        report, rows=judged.rows, metrics=metrics, loss=judged.loss, baselines=baselines, champion=champion,
        start=found.extent.low if timed else report.start, end=found.extent.high if timed else report.end,
        notes=(*_kept(report.notes), *notes_of(found)),
    ), found  # fmt: skip


def _compared(other: Comparison, judged: Judged, name: str) -> Comparison:
    if name not in judged.against:
        return other
    loss, difference = judged.against[name]
    return msgspec.structs.replace(other, loss=loss, difference=difference)


def _kept(notes: Sequence[str]) -> list[str]:
    """Without what the sample says of rows that have no truth: all rows have a number of their own."""
    return [note for note in notes if not note.endswith("rows without a truth were left out.")]


def notes_of(found: Elsewhere) -> list[str]:
    """What a reader must know of figures that come from two places."""
    judged = found.judged
    told = [f"{judged.unlabelled:,} rows without a truth were left out."] if judged.unlabelled else []
    told.append(f"Metrics and mean losses are of all {judged.rows:,} rows, judged by the engine {found.engine}.")
    if judged.off_by:
        bounds = ", ".join(f"{name} by {far:.1e}" for name, far in judged.off_by.items())
        told.append(f"Areas under curves were read from a grid of scores and may be off: {bounds} at most.")
    if not found.whole:
        other = f" and {', '.join(found.by_sample)}" if found.by_sample else ""
        told.append(f"All other parts{other} are of {found.sampled:,} rows from all over the table.")
    told += [f"{name} was left out: {why}." for name, why in found.left_out.items()]
    return told
