"""Forecasts on record: the history each went by, and the truth that came, a number a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract import records as names
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import together
from fairlead.runtime.capture import tensors
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.moments import of_history

_Steps = list[float | None]
_read = msgspec.json.Decoder(_Steps).decode


def columns_of(column: Column, cells: Sequence[bytes]) -> list[tuple[Any, Any]]:
    """A history as fields with arrays: the tensor, and of its series the newest value, the mean and the spread."""
    pa = arrow()
    found = tensors.columns_of(column, cells)[:1]
    said = of_history(together(cells, column), column.shape)
    for prefix, numbers in zip((names.NEWEST_IN, names.MEAN_IN, names.SPREAD_IN), said, strict=True):
        found.append((pa.field(prefix + column.name, pa.float64()), pa.array(numbers)))
    return found


def label_of(steps: Sequence[Any], horizon: int) -> str | None:
    """A truth as the text that is on record: a JSON list of `horizon` numbers, null for what is not due.

    steps: numbers and None, the first steps of the horizon or all. None where it is no such list, or says nothing.
    """
    if not 1 <= len(steps) <= horizon:
        return None
    numbers: _Steps = []
    for step in steps:
        if step is not None and (isinstance(step, bool) or not isinstance(step, int | float)):
            return None
        try:
            numbers.append(None if step is None else float(step))
        except OverflowError:
            return None
    told = [number for number in numbers if number is not None]
    if not told or not all(map(math.isfinite, told)):
        return None
    return msgspec.json.encode(numbers + [None] * (horizon - len(numbers))).decode()


def steps_of(label: str | None, horizon: int) -> list[float]:
    """What `label_of` wrote, with NaN for what is not due; all NaN for anything else."""
    try:
        read = _read(label) if label is not None else []
    except msgspec.MsgspecError:
        read = []
    if len(read) != horizon:
        return [math.nan] * horizon
    return [math.nan if step is None else step for step in read]


def are_forecasts(labels: Any) -> npt.NDArray[np.bool_]:
    """Which labels are lists: the truth of a forecast, which is that of its own origin and of no earlier one."""
    pc = compute()
    return np.asarray(pc.fill_null(pc.starts_with(labels, "["), False).to_numpy(), dtype=bool)


def folded(labels: Any) -> Any:
    """Labels in order of arrival, those of forecasts with the steps that were told before and not again since.

    A truth comes step by step; of a step that is told twice the later number counts.
    """
    lists = np.flatnonzero(are_forecasts(labels.column(names.LABEL)))
    if not len(lists):
        return labels
    about = (names.REQUEST, names.ROW, names.KEY, names.TIME, names.DEFINITION)
    whose = zip(*(labels.column(name).take(lists).to_pylist() for name in about), strict=True)
    texts, known = labels.column(names.LABEL).to_pylist(), dict[Any, _Steps]()
    for at, one in zip(lists.tolist(), whose, strict=True):
        try:
            steps = _read(texts[at])
        except msgspec.MsgspecError:
            continue
        before = known.get(one)
        if before is not None and len(before) == len(steps):
            steps = [old if new is None else new for old, new in zip(before, steps, strict=True)]
            texts[at] = msgspec.json.encode(steps).decode()
        known[one] = steps
    column = labels.schema.get_field_index(names.LABEL)
    return labels.set_column(column, names.LABEL, arrow().array(texts, labels.column(names.LABEL).type))
