"""Models of which a feature is made of several columns: coalitions are mixed from cells, and prepared as rows are.

Explainers see the same thing as otherwise: a row of numbers, one a column that the model reads. Each number says which
of a pool of rows the cell is from, background rows first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.runtime.bundle.coded import Coded, Columns
from fairlead.runtime.bundle.front import sources_of
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.explain.margins import Margin
from fairlead.runtime.explain.subject import Floats, Subject


def is_separable(model: Model) -> bool:
    """Whether each feature is made of one column."""
    return all(len(set(sources_of(lane))) == 1 for lane in model.front.lanes)


def pooled(subject: Subject, model: Model, behind: Columns, rows: Columns) -> tuple[Subject, Floats]:
    """(the subject by cells, its features of `rows`). behind: the background rows."""
    names = model.signature.names
    read = sorted({names.index(name) for lane in model.front.lanes for name in sources_of(lane)})
    pool = {names[at]: _joined(behind[names[at]], rows[names[at]]) for at in read}
    first, count = len(subject.background), len(next(iter(rows.values())))
    encode, margin = model.front.column_encoder(), subject.margin
    unread = {name: _cell(rows[name]) for at, name in enumerate(names) if at not in read}

    def raw(features: Floats) -> Floats:
        places = features.astype(np.int64)
        mixed = {names[at]: pool[names[at]][places[:, number]] for number, at in enumerate(read)}
        mixed |= {name: np.repeat(cell, len(features), axis=0) for name, cell in unread.items()}
        return margin.raw(encode(mixed))

    by_cells = Subject(
        signature=subject.signature,
        margin=Margin(margin.outputs, margin.scale, raw, margin.sign, margin.shift),
        owners=np.array(read, dtype=np.int64),
        background=_places(0, first, len(read)),
    )
    return by_cells, _places(first, count, len(read))


def _places(first: int, rows: int, wide: int) -> Floats:
    return np.repeat(np.arange(first, first + rows, dtype=np.float64)[:, None], wide, axis=1)


def _joined(behind: Any, rows: Any) -> npt.NDArray[Any]:
    return np.concatenate((_plain(behind), _plain(rows)))


def _cell(column: Any) -> npt.NDArray[Any]:
    return _plain(column)[:1]


def _plain(column: Any) -> npt.NDArray[Any]:
    if isinstance(column, Coded):
        return np.array(column.cells, dtype=object)[column.codes]
    return np.asarray(column)
