"""Columns of tables whose cells are tensors: lists of numbers in Arrow and Parquet, arrays in pandas and numpy.

Arrow knows a tensor's shape from nested lists that are all of one length, from its own type `fixed_shape_tensor`, or,
for flat lists, from the field's metadata `shape` (JSON, as [8, 8]). In pandas a cell is an array in that shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle import tensor_cells

if TYPE_CHECKING:
    import pandas as pd

SHAPE = b"shape"


def holds_lists(kind: pa.DataType) -> bool:
    """Whether an Arrow type may hold tensors."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or isinstance(kind, pa.FixedShapeTensorType)
    )


def stacked(array: pa.Array | pa.ChunkedArray, field: pa.Field | None = None) -> np.ndarray | None:
    """Cells of an Arrow column as one array (rows, *shape); None where they are no tensors of one shape.

    field: whose metadata may name the shape of flat lists.
    """
    array = _whole(array)
    if not holds_lists(array.type) or not len(array) or array.null_count:
        return None
    if isinstance(array.type, pa.FixedShapeTensorType):
        found: np.ndarray | None = array.to_numpy_ndarray()
    else:
        found = _of_lists(array)
    if found is None or found.dtype.kind not in "iufb":
        return None
    return _shaped(found, field)


def _whole(array: Any) -> Any:
    if not isinstance(array, pa.ChunkedArray):
        return array
    return array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks or [pa.array([], array.type)])


def _of_lists(array: Any) -> np.ndarray | None:
    edges = [len(array)]
    while holds_lists(array.type):
        if array.null_count or not len(array):
            return None
        lengths = pc.min_max(pc.list_value_length(array)).as_py()
        if lengths["min"] != lengths["max"] or not lengths["min"]:
            return None
        edges.append(lengths["min"])
        array = array.flatten()
    if array.null_count or not (_is_number(array.type) or pa.types.is_boolean(array.type)):
        return None
    numbers: np.ndarray = array.to_numpy(zero_copy_only=False)
    return numbers.reshape(edges)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _shaped(found: np.ndarray, field: pa.Field | None) -> np.ndarray:
    stated = ((field.metadata or {}) if field is not None else {}).get(SHAPE)
    if stated is None or found.ndim != 2:
        return found
    try:
        shape = msgspec.json.decode(stated, type=tuple[int, ...])
    except msgspec.MsgspecError:
        return found
    return found.reshape(len(found), *shape) if math.prod(shape) == found.shape[1] and all(shape) else found


def arrow_lists(values: Any) -> pa.Array | None:
    """Tensors of a pandas column or a numpy array (rows, *shape) as nested fixed-size lists; None if it holds none."""
    found = together(values)
    if found is None:
        return None
    array = pa.array(np.ascontiguousarray(found).reshape(-1))
    for edge in reversed(found.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, edge)
    return array


def together(values: Any) -> np.ndarray | None:
    """Cells of a column as one array (rows, *shape) of numbers; None where they are no tensors of one shape."""
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return values if values.dtype.kind in "iufb" and values.size else None
    if getattr(getattr(values, "dtype", None), "kind", "") != "O" or not len(values):
        return None
    if not isinstance(next(iter(values)), np.ndarray | list | tuple):
        return None
    try:
        found = np.array(values.tolist())
    except ValueError:
        return None
    return found if found.dtype.kind in "iufb" and found.ndim > 1 and found.size else None


def series_of(found: np.ndarray) -> pd.Series:
    """A pandas column whose cells are arrays. found: (rows, *shape)."""
    import pandas as pd

    return pd.Series(_cells(found), dtype=object)


def series_from(array: pa.Array | pa.ChunkedArray, field: pa.Field | None = None) -> pd.Series:
    """An Arrow column in pandas, tensors as arrays in their shape."""
    found = stacked(array, field)
    if found is not None:
        return series_of(found)
    series: pd.Series = array.to_pandas()
    return series


def frame_from(table: pa.Table) -> pd.DataFrame:
    """A whole Arrow table in pandas, tensors as arrays in their shape."""
    lists = [field for field in table.schema if holds_lists(field.type)]
    found: pd.DataFrame = table.drop_columns([field.name for field in lists]).to_pandas()
    for field in lists:
        place = min(table.schema.names.index(field.name), found.shape[1])
        found.insert(place, field.name, series_from(table.column(field.name), field).set_axis(found.index))
    return found


def table_from(frame: pd.DataFrame) -> pa.Table:
    """A frame as Arrow, without its index, tensors as nested lists: `frame_from` gives the same frame again."""
    lists = {str(name): found for name in frame.columns if (found := arrow_lists(frame[name])) is not None}
    if not lists:
        return pa.Table.from_pandas(frame, preserve_index=False)
    table = pa.Table.from_pandas(frame.drop(columns=list(lists)), preserve_index=False)
    for name, array in lists.items():
        table = table.add_column(frame.columns.get_loc(name), name, array)
    return table


def _cells(found: np.ndarray) -> np.ndarray:
    cells = np.empty(len(found), dtype=object)
    for at, cell in enumerate(found):
        cells[at] = cell
    return cells


def column_of(name: str, values: Any) -> Column | None:
    """The column of a signature that these cells make; None where they are no tensors.

    Elements keep their dtype where a signature knows it; other whole numbers become int32 where they fit, other
    numbers float64, true and false uint8.
    """
    found = together(values)
    if found is None or not np.isfinite(found).all():
        return None
    column = Column(
        name, "tensor", nullable=False, low=float(found.min()), high=float(found.max()), dtype=_dtype(found),
        shape=tuple(int(edge) for edge in found.shape[1:]),
    )  # fmt: skip
    return column if tensor_cells.problem(column) is None else None


def _dtype(found: np.ndarray) -> str:
    name = found.dtype.name
    if name in tensor_cells.DTYPES:
        return str(name)
    if found.dtype.kind == "b":
        return "uint8"
    whole = found.dtype.kind in "iu" and int(found.min()) >= -(2**31) and int(found.max()) < 2**31
    return "int32" if whole else "float64"


def tensors_of(values: Any, column: Column, first_row: int = 0) -> np.ndarray:
    """The columns form of a tensor column of a table: (rows, elements) in its dtype.

    values: an Arrow array, a pandas column, a numpy array or a list. Raises CellInvalid.
    """
    found: Any = None
    if isinstance(values, pa.Array | pa.ChunkedArray):
        found = stacked(values)
        values = values.to_pylist() if found is None else found
    else:
        found = together(values)
        values = values if found is None else found
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if not len(values):
        return np.empty((0, tensor_cells.size(column)), tensor_cells.DTYPES[column.dtype])
    try:
        return tensor_cells.column_from(values, column)
    except CellInvalid as wrong:
        raise CellInvalid(first_row + wrong.row, wrong.column, wrong.found, wrong.allowed) from None
