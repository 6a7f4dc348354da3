"""How sure a number is: percentile intervals from resampled rows, singly or in moving blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature, Task
from fairlead.lab.stats.blocks import Block
from fairlead.lab.stats.further import drawn_further, further_metrics
from fairlead.lab.stats.measures import Floats, Ints, metrics, weighted_metrics

DRAWS = 1000
_CELLS = 4_000_000


def resamples(rows: int, draws: int, seed: int, block: Block = 1) -> Iterator[Floats]:
    """How often each row was drawn, in chunks of shape (some draws, rows) whose draws add up to `draws`.

    block: rows that are drawn together, as consecutive runs with random starts that wrap around, so that
    every row is as likely as every other; the last run is cut to make `rows` in all. Or the group of each row: whole
    groups are drawn then, as many as there are, so that resamples differ in how many rows they have.
    Source: Efron (1979); Politis and Romano, A circular block-resampling procedure (1992); Field and Welsh,
    Bootstrapping clustered data (2007).
    """
    if isinstance(block, np.ndarray):
        yield from _groups_drawn(rows, draws, seed, block)
        return
    if rows <= 0 or draws <= 0 or block <= 0:
        raise ShapeMismatch(f"rows, draws and block must be positive, found {rows}, {draws}, {block}")
    random = np.random.default_rng(seed)
    block = min(block, rows)
    runs = -(-rows // block)
    last = rows - (runs - 1) * block
    chunk = max(1, min(draws, _CELLS // rows))
    for first in range(0, draws, chunk):
        size = min(chunk, draws - first)
        starts = random.integers(0, rows, size=(size, runs))
        yield _counts(starts, block, last, rows)


def _groups_drawn(rows: int, draws: int, seed: int, group: Ints) -> Iterator[Floats]:
    if len(group) != rows or rows <= 0 or draws <= 0:
        raise ShapeMismatch(f"{rows} rows, {draws} draws and the groups of {len(group)} rows do not fit together")
    count = int(group.max()) + 1
    for weights in resamples(count, max(draws, 1), seed):
        # A chunk of groups may be far wider in rows.
        step = max(1, _CELLS // rows)
        for first in range(0, len(weights), step):
            yield weights[first : first + step][:, group]


def _counts(starts: npt.NDArray[np.int64], block: int, last: int, rows: int) -> Floats:
    draws = len(starts)
    offset = np.arange(draws)[:, None] * rows
    if block == 1:
        flat = (starts + offset).ravel()
        return np.bincount(flat, minlength=draws * rows).reshape(draws, rows).astype(np.float64)
    # A run is +1 at its start and -1 past its end on a line twice as long; the running sum counts rows.
    lengths = np.full(starts.shape[1], block)
    lengths[-1] = last
    wide = 2 * rows + 1
    at = np.arange(draws)[:, None] * wide
    steps = np.bincount((starts + at).ravel(), minlength=draws * wide).astype(np.float64)
    steps -= np.bincount((starts + lengths + at).ravel(), minlength=draws * wide)
    depth = np.cumsum(steps.reshape(draws, wide), axis=1)
    return depth[:, :rows] + depth[:, rows : 2 * rows]


def bootstrap(
    values: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95, block: Block = 1
) -> Interval:
    """The mean of `values` (n,) with its percentile interval. Raises ShapeMismatch for no values."""
    table = np.asarray(values, dtype=np.float64)
    grouped = isinstance(block, np.ndarray)
    means = [w @ table / (w.sum(axis=1) if grouped else len(table)) for w in resamples(len(table), draws, seed, block)]
    return percentile(float(table.mean()), np.concatenate(means), level)


def block_bootstrap(
    values: npt.ArrayLike, block: int, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Interval:
    """As `bootstrap`, for values in time order whose neighbours are alike: whole blocks are drawn."""
    return bootstrap(values, draws=draws, seed=seed, level=level, block=block)


def percentile(value: float, drawn: Floats, level: float = 0.95) -> Interval:
    """`value` with the middle `level` of the drawn statistics; undefined draws are left out."""
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Interval(value, value, value)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def metric_intervals(
    task: Task,
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    signature: Signature,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    block: Block = 1,
    further: bool = False,
) -> dict[str, Interval]:
    """Every metric of the task with its 95 % interval; rows (or blocks of rows) are resampled together.

    further: those of `stats.further`, too, which reports tell and nothing is watched by.
    """
    values = metrics(task, truth, scores, signature)
    more = None
    if further:
        values |= further_metrics(task, truth, scores, signature)
        more = drawn_further(task, truth, scores, signature)
    rows = len(np.asarray(truth))
    parts: dict[str, list[Floats]] = {name: [] for name in values}
    for weights in resamples(rows, draws, seed, block) if rows else ():
        every = weighted_metrics(task, truth, scores, signature, weights) | (more(weights) if more else {})
        for name, drawn in every.items():
            if name in parts:
                parts[name].append(drawn)
    return {name: percentile(value, np.concatenate(parts[name])) for name, value in values.items()}
