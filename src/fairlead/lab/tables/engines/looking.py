"""What the checks of quality need, by folds: counts of every row, repeats by their hashes, and the rows of a sample.

Parts are joined in the order of their rows, so the first row that shows something is the first of the table. As in a
pass here, repeats are exact up to 4 million rows. One thing is decided within a part of the table and not over all of
it: a column of more than 10,000 different words is no longer tried as numbers after 100,000 rows of its part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from fairlead.contract.errors import ColumnMissing, SourceUnreadable
from fairlead.contract.signature import Column
from fairlead.lab.tables.engines import Engine, Fold, Work
from fairlead.lab.tables.facts import MAX_LEVELS, Facts
from fairlead.lab.tables.inference import schema_from
from fairlead.lab.tables.quality.hashing import Repeats, mixed
from fairlead.lab.tables.quality.looking import HEAD_ROWS, SAMPLE_ROWS, Look, begin, take_in
from fairlead.lab.tables.quality.watching import ENDS, Watch
from fairlead.lab.tables.roles import Sample
from fairlead.lab.tables.sources import BATCH_ROWS, Table

COUNTS = (
    "rows", "missing", "numbers", "words", "whole", "times", "flags", "padded", "controls", "longest", "spaced",
    "first_control", "first_not_number", "first_not_time",
)  # fmt: skip
FIRSTS = ("first_control", "first_not_number", "first_not_time")


def look_on(
    engine: Engine, source: Any, *, target: str = "", task: str = "", key: str = "", time: tuple[str, ...] = (),
    now: float, sample_rows: int = SAMPLE_ROWS,
) -> Look:  # fmt: skip
    """As `look_at`, of a table that an engine reads. Raises SourceUnreadable, ColumnMissing."""
    look = Look(target, task, key, time, now)
    names = engine.columns(source)
    absent = [n for n in (target, key, *time) if n and n not in names]
    if absent:
        raise ColumnMissing(absent, names)
    top = engine.head(source, BATCH_ROWS)
    if not top.num_rows:
        raise SourceUnreadable("the table has no rows")
    begin(look, top.combine_chunks().to_batches()[0])
    parts = engine.fold(source, looking(look))
    for part in sorted(parts, key=lambda p: p.first):
        _join(look, part)
    look.source = source.source.name if isinstance(source, Table) and isinstance(source.source, Path) else ""
    look.numbers = _numbers(look.rows, 2 * sample_rows)
    look.sample = _sample(engine, source, top.schema, look)
    look.head = top.slice(0, HEAD_ROWS).combine_chunks()
    held = Sample(look.head, look.head.num_rows, look.head.num_rows == look.rows)
    look.schema = schema_from(look.facts, held, look.target or None, look.key or None, look.time)
    look.key, look.time = look.key or look.schema.key or "", look.time or look.schema.time
    look.task = look.task or look.schema.task or ""
    return look


class Part(msgspec.Struct):
    """What rows that follow each other were found to hold. first: number of the first, from 0; arrays as bytes."""

    first: int
    rows: int
    facts: dict[str, dict[str, Any]]
    levels: dict[str, bytes | None]
    watches: dict[str, dict[str, Any]]
    repeats: list[tuple[int, bytes, bytes]]


_PARTS = msgspec.msgpack.Decoder(list[Part])


def looking(begun: Look) -> Fold[list[tuple[int, Look]], list[Part]]:
    """The fold: one look for each stretch of rows. begun: what the first rows say of the columns."""
    template = (
        begun.target, begun.task, begun.key, begun.time, begun.now, begun.ids, tuple(begun.facts),
        {n: w.time for n, w in begun.watches.items()},
    )  # fmt: skip

    def step(state: list[tuple[int, Look]], batch: pa.RecordBatch, first: int) -> list[tuple[int, Look]]:
        if not state or state[-1][1].rows != first:
            state.append((first, _empty(template, first)))
        look = state[-1][1]
        take_in(look, batch)
        look.rows += batch.num_rows
        return state

    def merge(found: Sequence[list[Part]]) -> list[Part]:
        return [part for parts in found for part in parts]

    return Fold(
        lambda place: [], step, lambda state: msgspec.msgpack.encode([_part(first, look) for first, look in state]),
        _PARTS.decode, merge, msgspec.msgpack.encode,
    )  # fmt: skip


def _empty(template: tuple[Any, ...], first: int) -> Look:
    *asked, ids, names, watched = template
    look = Look(*asked)
    look.ids, look.rows = ids, first
    look.facts = {n: Facts(n) for n in names}
    look.watches = {n: Watch(time, look.now) for n, time in watched.items()}
    return look


def _part(first: int, look: Look) -> Part:
    facts: dict[str, dict[str, Any]] = {}
    levels: dict[str, bytes | None] = {}
    for name, found in look.facts.items():
        facts[name] = {n: getattr(found, n) for n in COUNTS} | {
            "source": found.source, "low": found.low, "high": found.high, "mixed": found.mixed,
            "tensor": None if found.tensor is None else msgspec.to_builtins(found.tensor),
        }  # fmt: skip
        levels[name] = None if found.levels is None else _levels(found.levels)
    return Part(
        first, look.rows - first, facts, levels, {n: _watched(w) for n, w in look.watches.items()},
        [_repeats(r) for r in (look.row_repeats, look.key_repeats)],
    )  # fmt: skip


def _levels(levels: Counter[Any]) -> bytes:
    counts = pa.array(list(levels.values()), pa.int64())
    batch = pa.record_batch([pa.array(list(levels)), counts], names=["level", "count"])
    held = pa.BufferOutputStream()
    with pa.ipc.new_stream(held, batch.schema) as out:
        out.write_batch(batch)
    return bytes(held.getvalue())


def _watched(watch: Watch) -> dict[str, Any]:
    return {
        "low": (watch.low.values.tobytes(), watch.low.rows.tobytes()),
        "high": (watch.high.values.tobytes(), watch.high.rows.tobytes()),
        "marked": watch.marked.tobytes(), "first": watch.first_marked.tobytes(), "early": watch.early,
        "late": watch.late, "early_rows": watch.early_rows, "late_rows": watch.late_rows,
    }  # fmt: skip


def _repeats(repeats: Repeats) -> tuple[int, bytes, bytes]:
    hashes, rows = repeats.held()
    return repeats.level, hashes.tobytes(), rows.tobytes()


def _join(look: Look, part: Part) -> None:
    """Take in the part that comes next."""
    for name, facts in look.facts.items():
        _join_facts(facts, part.facts[name], part.levels[name], part.first)
    for name, watch in look.watches.items():
        _join_watch(watch, part.watches[name])
    for repeats, (level, hashes, rows) in zip((look.row_repeats, look.key_repeats), part.repeats, strict=True):
        repeats.join(level, np.frombuffer(hashes, dtype=np.uint64), np.frombuffer(rows, dtype=np.int64))
    look.rows += part.rows


def _join_facts(facts: Facts, told: dict[str, Any], levels: bytes | None, before: int) -> None:
    begun = facts.rows > 0
    for name in COUNTS:
        mine, theirs = getattr(facts, name), told[name]
        if name in FIRSTS:
            setattr(facts, name, mine or (theirs + before if theirs else 0))
        else:
            setattr(facts, name, max(mine, theirs) if name == "longest" else mine + theirs)
    facts.source = facts.source or told["source"]
    facts.low, facts.high = float(np.fmin(facts.low, told["low"])), float(np.fmax(facts.high, told["high"]))
    if levels is None:
        facts.levels = None
    elif facts.levels is not None:
        found = pa.ipc.open_stream(levels).read_all()
        for level, count in zip(found.column("level").to_pylist(), found.column("count").to_pylist(), strict=True):
            facts.levels[level] += count
        facts.levels = None if len(facts.levels) > MAX_LEVELS else facts.levels
    if facts.source == "other":
        _join_tensors(facts, told, begun)


def _join_tensors(facts: Facts, told: dict[str, Any], begun: bool) -> None:
    theirs = None if told["tensor"] is None else msgspec.convert(told["tensor"], Column)
    if told["mixed"] or facts.mixed or theirs is None or (begun and facts.tensor is None):
        facts.mixed, facts.tensor = True, None
        return
    mine = facts.tensor
    if mine is not None and mine.shape != theirs.shape:
        facts.mixed, facts.tensor = True, None
        return
    dtype = theirs.dtype if mine is None or mine.dtype == theirs.dtype else "float64"
    facts.tensor = msgspec.structs.replace(theirs, low=facts.low, high=facts.high, dtype=dtype)


def _join_watch(watch: Watch, told: dict[str, Any]) -> None:
    for ends, (values, rows) in ((watch.low, told["low"]), (watch.high, told["high"])):
        both = np.concatenate([ends.values, np.frombuffer(values)])
        numbers = np.concatenate([ends.rows, np.frombuffer(rows, dtype=np.int64)])
        order = np.lexsort((numbers, ends.sign * both))[:ENDS]
        ends.values, ends.rows = both[order], numbers[order]
    watch.marked = watch.marked + np.frombuffer(told["marked"], dtype=np.int64)
    first = np.frombuffer(told["first"], dtype=np.int64)
    watch.first_marked = np.where(watch.first_marked > 0, watch.first_marked, first)
    watch.early, watch.late = watch.early + told["early"], watch.late + told["late"]
    watch.early_rows = (watch.early_rows + told["early_rows"])[:ENDS]
    watch.late_rows = (watch.late_rows + told["late_rows"])[:ENDS]


def _numbers(rows: int, most: int) -> np.ndarray:
    """Numbers, from 1, of the rows of a sample, as a pass keeps them: by a hash, fewer and fewer as rows come."""
    numbers, level = np.arange(1, rows + 1), np.uint64(0)
    while len(numbers) > most:
        level = level << np.uint64(1) | np.uint64(1)
        numbers = numbers[(mixed(numbers.astype(np.uint64)) & level) == 0]
    return numbers


def _sample(engine: Engine, source: Any, schema: pa.Schema, look: Look) -> pa.Table:
    if look.whole:
        return engine.every(source, 1)
    level = 0
    while len(_chosen(np.arange(1, look.rows + 1), level)) != len(look.numbers):
        level = level << 1 | 1
    work = Work(f"sample:{level}", partial(_sampling, level), schema)
    return pa.concat_tables(list(engine.map_batches(source, work))).combine_chunks()


def _sampling(level: int, place: Any) -> Any:
    def step(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        numbers = np.arange(first + 1, first + 1 + batch.num_rows)
        return batch.take(pa.array(_chosen(numbers, level) - first - 1, pa.int64()))

    return step


def _chosen(numbers: np.ndarray, level: int) -> np.ndarray:
    found: np.ndarray = numbers[(mixed(numbers.astype(np.uint64)) & np.uint64(level)) == 0]
    return found
