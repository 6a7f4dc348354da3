"""A front run column by column with numpy: for many rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import CellInvalid, ColumnMissing, ShapeMismatch
from fairlead.runtime.bundle.by_row import never_seen
from fairlead.runtime.bundle.front import Columns, Front, Number, Table, value
from fairlead.runtime.bundle.ops import all_for_many

Floats = npt.NDArray[np.float64]
UNSEEN, MISSING = 0, 1


class _Codes(dict[object, int]):
    def __missing__(self, key: object) -> int:
        # NaN is found by no look-up of its own, since it differs from itself.
        return MISSING if key != key else UNSEEN


def encode(front: Front, columns: Columns) -> Floats:
    """See `Front.encode`. Raises ColumnMissing, ShapeMismatch, CellInvalid."""
    used = {lane.column for lane in front.lanes}
    absent = [name for name in front.columns if name in used and name not in columns]
    if absent:
        raise ColumnMissing(absent, front.columns)
    lengths = {len(array) for array in columns.values()}
    if len(lengths) > 1:
        raise ShapeMismatch(f"columns have different lengths: {sorted(lengths)}")
    rows = lengths.pop() if lengths else 0
    out = np.empty((rows, front.width))
    at = 0
    for lane in front.lanes:
        if isinstance(lane, Number):
            out[:, at] = all_for_many(lane.ops, np.asarray(columns[lane.column], dtype=np.float64))
        else:
            _look_up(lane, columns[lane.column], out[:, at : at + lane.width])
        at += lane.width
    return out


def _look_up(lane: Table, cells: npt.NDArray[np.generic], out: Floats) -> None:
    codes = _codes(lane, cells)
    for code, refused in ((UNSEEN, lane.closed), (MISSING, lane.required)):
        if refused and len(bad := np.flatnonzero(codes == code)):
            if code == UNSEEN:
                raise never_seen(int(bad[0]), lane.column, len(lane.keys))
            allowed = "a value: the model was trained without missing"
            raise CellInvalid(int(bad[0]), lane.column, "no value", allowed)
    out[:] = [value(number) for number in lane.unseen]
    rows = ((), lane.missing, *lane.rows)
    for slot in range(max(len(row) for row in rows)):
        outputs = np.array([row[slot].output if len(row) > slot else -1 for row in rows])
        values = np.array([value(row[slot].value) if len(row) > slot else 0.0 for row in rows])
        places = outputs[codes]
        written = np.flatnonzero(places >= 0)
        out[written, places[written]] = values[codes[written]]


def _codes(lane: Table, cells: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Per row: 0 never seen, 1 missing, else 2 + the position of its key."""
    known = _Codes({None: MISSING})
    known.update((key, at + 2) for at, key in enumerate(lane.keys))
    listed = cells.tolist()
    if lane.before or any(isinstance(key, float) for key in lane.keys):
        listed = all_for_many(lane.before, np.asarray(cells, dtype=np.float64)).tolist()
    return np.fromiter(map(known.__getitem__, listed), np.int64, len(listed))
