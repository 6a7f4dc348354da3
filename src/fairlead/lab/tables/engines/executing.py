"""What runs in an executor: batches of Spark to steps of ours, with rows numbered as they are in the table.

A process of Spark's serves one task after the other; what a work makes, a verified model for one, is kept in it under
the work's key and made once.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import FairleadError
from fairlead.lab.tables.engines import Fold, Place, Work
from fairlead.lab.tables.engines.travelling import told, unpacked

ROW = "__fairlead_row"
ERROR = "__fairlead_error"
STATE = "__fairlead_state"
KEPT = 4
"""Things made that a process keeps at most."""

Batches = Iterable[pa.RecordBatch]
_MADE: OrderedDict[str, Any] = OrderedDict()


def mapper(
    work: Work, names: tuple[str, ...], archives: dict[str, str]
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: answers with the numbers of their rows, or one row that tells an error and is the last.

    archives: of `work.ships`, as Spark knows them. The work itself leaves its folders behind: they are not here.
    """
    key, make, schema, columns = work.key, work.make, work.schema, work.columns

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        at = -1
        try:
            step = _made(key, make, archives)
            for batch, first in numbered(batches, names, columns):
                at = first
                yield _answered(step(batch, first), first, schema)
        except FairleadError as error:
            yield _refused(error, at, schema)

    return run


def folder(
    folding: Fold[Any, Any], names: tuple[str, ...], archives: dict[str, str]
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: the state of a partition as one row, or one row that tells an error."""
    zero, step, encode, columns = folding.zero, folding.step, folding.encode, folding.columns

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        state, at = None, -1
        try:
            with _Placed(archives) as place:
                for batch, first in numbered(batches, names, columns):
                    at = first
                    state = step(zero(place) if state is None else state, batch, first)
            if state is not None:
                yield _state(encode(state), None, at)
        except FairleadError as error:
            yield _state(None, told(error), _row_of(error, at))

    return run


def merger(folding: Fold[Any, Any]) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: states of some parts to one; an error goes on as it is, the first of them."""
    merge, pack, decode = folding.merge, folding.pack, folding.decode

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        found = pa.Table.from_batches(list(batches), schema=STATES)
        if not found.num_rows:
            return
        wrong = first_error(found)
        if wrong is not None:
            yield _state(None, wrong[1], wrong[0])
            return
        yield _state(pack(merge([decode(held) for held in found.column(STATE).to_pylist()])), None, 0)

    return run


STATES = pa.schema([(ROW, pa.int64()), (ERROR, pa.string()), (STATE, pa.binary())])


def answers(schema: pa.Schema) -> pa.Schema:
    """What `mapper` gives: the answers, the numbers of their rows, and what went wrong."""
    return pa.schema([*schema, pa.field(ROW, pa.int64()), pa.field(ERROR, pa.string())])


def first_error(found: pa.Table) -> tuple[int, str] | None:
    """(row, what is told) of the error at the first row."""
    wrong = [
        (row, text)
        for row, text in zip(found.column(ROW).to_pylist(), found.column(ERROR).to_pylist(), strict=True)
        if text is not None
    ]
    return min(wrong) if wrong else None


def numbered(
    batches: Batches, names: tuple[str, ...], columns: tuple[str, ...] = ()
) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches whose rows follow each other, with the number of the first: a partition may hold several pieces.

    names: of the columns that came, whose last is that of the numbers. columns: in the order wanted; empty: as it is.
    """
    order = [c for c in columns if c in names] or list(names)
    for batch in batches:
        if not batch.num_rows:
            continue
        rows = batch.column(ROW).to_numpy()
        bare = pa.RecordBatch.from_arrays([batch.column(names.index(name)) for name in order], names=order)
        cuts = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), batch.num_rows]
        for start, end in itertools.pairwise(cuts):
            yield bare.slice(start, end - start), int(rows[start])


def _answered(answer: pa.RecordBatch, first: int, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [answer.column(name).cast(kind) for name, kind in zip(schema.names, schema.types, strict=True)]
    rows = pa.array(np.arange(first, first + answer.num_rows), pa.int64())
    return pa.RecordBatch.from_arrays([*arrays, rows, pa.nulls(len(rows), pa.string())], schema=answers(schema))


def _refused(error: FairleadError, at: int, schema: pa.Schema) -> pa.RecordBatch:
    blank = [pa.nulls(1, kind) for kind in schema.types]
    rest = [pa.array([_row_of(error, at)], pa.int64()), pa.array([told(error)], pa.string())]
    return pa.RecordBatch.from_arrays([*blank, *rest], schema=answers(schema))


def _row_of(error: FairleadError, at: int) -> int:
    row = getattr(error, "row", None)
    return row if isinstance(row, int) else at


def _state(state: bytes | None, error: str | None, row: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([row], pa.int64()), pa.array([error], pa.string()), pa.array([state], pa.binary())], schema=STATES
    )


def _made(key: str, make: Callable[[Place], Any], archives: dict[str, str]) -> Any:
    if key in _MADE:
        _MADE.move_to_end(key)
        return _MADE[key]
    with _Placed(archives) as place:
        found = _MADE[key] = make(place)
    while len(_MADE) > KEPT:
        _MADE.popitem(last=False)
    return found


class _Placed:
    """Shipped folders, unpacked when asked for, and gone afterwards: what is made of them holds what it needs."""

    def __init__(self, archives: dict[str, str]) -> None:
        self._archives = archives
        self._held: list[tempfile.TemporaryDirectory[str]] = []

    def __enter__(self) -> Place:
        return self._place

    def _place(self, name: str) -> Path:
        from pyspark.core.files import SparkFiles

        held = tempfile.TemporaryDirectory(prefix="fairlead-")
        self._held.append(held)
        unpacked(Path(SparkFiles.get(self._archives[name])), Path(held.name))
        return Path(held.name)

    def __exit__(self, *_: object) -> None:
        for held in self._held:
            held.cleanup()
