"""Tensors of the Open Inference Protocol that are cells of tensor columns: one input holds one tensor a row.

The shape is [rows, *shape] or [rows, elements]. No size that a request states is believed before its data has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from fairlead.contract.errors import BodyInvalid, CellInvalid, ShapeMismatch
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import DTYPES, allowed, size
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.lists import LEFT, numbers_in, value_in
from fairlead.runtime.wire.reading import UNREADABLE, read_json
from fairlead.runtime.wire.tensor_checks import TensorCells
from fairlead.runtime.wire.tensors import BINARY, DATATYPES, RANGES


class _Body(msgspec.Struct, gc=False):
    """A request whose inputs are looked at one by one."""

    inputs: list[dict[str, Raw]]
    id: Any = None
    parameters: Any = None
    outputs: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def body_of(text: bytes, checks: Checks) -> Any:
    """A request as `read_json` has it, but for the data of tensor columns, which stays text. Raises BodyInvalid."""
    try:
        got = _decode(text) if LEFT is Raw else None
    except UNREADABLE:
        got = None
    if got is None:
        return read_json(text)
    inputs = []
    for given in got.inputs:
        read = {key: value_in(value) for key, value in given.items() if key != "data"}
        if "data" in given:
            name, data = read.get("name"), given["data"]
            left = (
                isinstance(name, str)
                and column_for(name, len(got.inputs), checks)
                and bytes(memoryview(data)[:1]) == b"["
            )
            read["data"] = data if left else value_in(data)
        inputs.append(read)
    return {"inputs": inputs, "id": got.id, "parameters": got.parameters, "outputs": got.outputs}


def column_for(name: str, inputs: int, checks: Checks) -> Column | None:
    """The tensor column that an input holds, None for any other input.

    A model whose only column is a tensor takes the only input of a request whatever its name.
    """
    column = checks.tensors.get(name)
    if column is None and checks.width == 1 and inputs == 1 and name not in checks.passthrough:
        return next(iter(checks.tensors.values()), None)
    return column


def cells_of_list(data: Sequence[Any], datatype: object, shape: Sequence[Any], column: Column, name: str) -> list[Any]:
    """One value a row of data that came as a list, for `Checks` to look at: JSON, nested or flat, or typed contents.

    Raises BodyInvalid, ShapeMismatch; CellInvalid for a number that a stated integer type does not hold.
    """
    said = _known(datatype, column, name)
    rows, elements = _rows(shape, column, name), size(column)
    if len(data) and isinstance(data[0], (list, Mapping)):
        if len(data) != rows:
            raise ShapeMismatch(f"input {name[:80]!r}: shape says {rows} rows, data has {len(data)}")
        values = list(data)
    elif len(data) != rows * elements:
        raise ShapeMismatch(f"input {name[:80]!r}: shape says {rows * elements} values, data has {len(data)}")
    else:
        values = [data[at : at + elements] for at in range(0, len(data), elements)]
    return _held(values, said, column) if said in RANGES and said != DATATYPES[column.dtype] else values


def cells_of_text(text: Raw, datatype: object, shape: Sequence[Any], column: Column, name: str) -> list[Any]:
    """`cells_of_list` of data that is still a text of JSON."""
    said, rows = _known(datatype, column, name), _rows(shape, column, name)
    if said not in RANGES or said == DATATYPES[column.dtype]:
        numbers = numbers_in(text, tuple(shape))
        if numbers is not None:
            return list(numbers.reshape(rows, *column.shape))
    data = value_in(text)
    if not isinstance(data, list):
        raise BodyInvalid(f"input {name[:80]!r}: data must be a list")
    return cells_of_list(data, datatype, shape, column, name)


def cells_of_raw(
    raw: bytes | memoryview, datatype: object, shape: Sequence[Any], column: Column, name: str
) -> list[Any]:
    """One value a row of binary data (little-endian, row-major): its bytes, or an array of another datatype.

    Raises BodyInvalid, ShapeMismatch.
    """
    said = _known(datatype, column, name)
    rows, elements = _rows(shape, column, name), size(column)
    dtype = np.dtype("<" + BINARY[said])
    each = elements * dtype.itemsize
    if len(raw) != rows * each:
        raise ShapeMismatch(
            f"input {name[:80]!r}: {rows * elements} values of {said} are {rows * each} bytes, "
            f"binary data has {len(raw)}"
        )
    if said == DATATYPES[column.dtype]:
        return [bytes(raw[at : at + each]) for at in range(0, len(raw), each)]
    found = np.frombuffer(raw, dtype)
    if said == "BF16":
        found = np.left_shift(found.astype(np.uint32), 16).view(np.float32)
    return list(found.reshape(rows, *column.shape))


def _known(datatype: object, column: Column, name: str) -> str:
    if isinstance(datatype, str) and datatype in BINARY and datatype != "BOOL":
        return datatype
    best = DATATYPES[column.dtype]
    raise BodyInvalid(f"input {name[:80]!r}: holds tensors, its datatype must be {best} or another of numbers")


def _rows(shape: Sequence[Any], column: Column, name: str) -> int:
    """How many rows a shape states; nothing may be made of it before the data agrees."""
    inner, elements = list(shape[1:]), size(column)
    rows = shape[0] if len(shape) else None
    numbers = type(rows) is int and 0 <= rows < 1 << 32 and all(type(edge) is int for edge in inner)
    if numbers and (inner in (list(column.shape), [elements]) or (elements == 1 and not inner)):
        return int(rows or 0)
    wanted = ", ".join(map(str, column.shape))
    flat = f" or [rows, {elements}]" if len(column.shape) > 1 else ""
    raise ShapeMismatch(f"input {name[:80]!r}: shape must be [rows, {wanted}]{flat}, one tensor a row")


def _held(values: Sequence[Any], datatype: str, column: Column) -> list[bytes]:
    """Cells whose numbers the stated integer type holds, which is not that of the column."""
    check, dtype = TensorCells(column), DTYPES[column.dtype]
    low, high = RANGES[datatype]
    cells = []
    for row, value in enumerate(values):
        cell = check(value, row)
        found = np.frombuffer(cell, dtype)
        whole = dtype.kind != "f" or bool((found == np.floor(found)).all())
        if not whole or int(found.min()) < low or int(found.max()) > high:
            raise CellInvalid(row, column.name, f"a number that is no {datatype}", allowed(column))
        cells.append(cell)
    return cells
