"""Forecasts on record: the history each went by, and the truth that came, a number a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.contract import records as names
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import together
from fairlead.runtime.capture import tensors
from fairlead.runtime.capture.lazy import arrow
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
