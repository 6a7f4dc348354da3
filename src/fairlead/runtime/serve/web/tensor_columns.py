"""A column of tensors told to people and programs: whether it is an image, what its elements mean, its JSON Schema.

The shape decides: (height, width), (height, width, channels) or (channels, height, width) with 1 or 3 channels, of
edges that pictures have, is an image; any other tensor is numbers.
"""

from __future__ import annotations

import base64
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import DTYPES, length, size
from fairlead.runtime.serve.web.forecast_form import history_in_words, is_history

CHANNELS = (1, 3)
EDGES = range(2, 2049)
"""Pixels of an edge of what is taken for an image: a row of numbers is none."""
MOST_LISTED = 64
"""Elements up to which an example is nested lists, which people read; above it is `{"b64": ...}`."""
MOST_EXAMPLE_BYTES = 1024
"""Bytes of a tensor up to which documents hold an example of it: it stands in them a dozen times."""
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_NEAR = 0.05
_HALF = 127


class Picture(NamedTuple):
    """An image in pixels. first: the channels are the first dimension, not the last."""

    height: int
    width: int
    channels: int
    first: bool

    @property
    def words(self) -> str:
        """As people read it: width first."""
        return f"{self.width} by {self.height} pixels, {'grey' if self.channels == 1 else 'in colour'}"


def picture_of(column: Column) -> Picture | None:
    """How a column's tensor is an image; None where it is none."""
    if is_history(column):
        return None
    shape = column.shape
    if len(shape) == 2:
        picture = Picture(*shape, 1, first=False)
    elif len(shape) == 3 and shape[2] in CHANNELS:
        picture = Picture(*shape, first=False)
    elif len(shape) == 3 and shape[0] in CHANNELS:
        picture = Picture(shape[1], shape[2], shape[0], first=True)
    else:
        return None
    return picture if picture.height in EDGES and picture.width in EDGES else None


def scale_of(column: Column) -> tuple[float, float]:
    """The elements of black and of white: the limits that the project states, else what training saw.

    What training saw is seldom all of a scale: bytes that reach beyond 127 have that of bytes, and what comes near
    0 to 1, -1 to 1 or 0 to 255 has that one.
    """
    low, high = column.low, column.high
    if column.minimum is not None and column.maximum is not None and column.minimum < column.maximum:
        return column.minimum, column.maximum
    if low is None or high is None or not low < high:
        return (0.0, 1.0) if DTYPES[column.dtype].kind == "f" else (0.0, 127.0 if column.dtype == "int8" else 255.0)
    if column.dtype == "uint8" and high > _HALF:
        return 0.0, 255.0
    for least, most in _USUAL:
        room = _NEAR * (most - least)
        if least <= low <= least + room and most - room <= high <= most:
            return least, most
    return low, high


def shape_in_words(column: Column) -> str:
    """`4 × 5 × 6`."""
    return " × ".join(map(str, column.shape))


def kind_in_words(column: Column) -> str:
    """What a tensor is, in a few words."""
    if is_history(column):
        return history_in_words(column)
    picture = picture_of(column)
    if picture is not None:
        return f"An image of {picture.words}"
    shape = f" of shape {shape_in_words(column)}" if len(column.shape) > 1 else ""
    return f"{size(column)} number{'s' if size(column) > 1 else ''}{shape}"


def schema_of(column: Column) -> dict[str, Any]:
    """JSON Schema of one cell: nested lists, a flat list of the elements row by row, or `{"b64": their bytes}`."""
    element = element_of(column)
    nested: dict[str, Any] = element
    for edge in reversed(column.shape):
        nested = {"type": "array", "items": nested, "minItems": edge, "maxItems": edge}
    ways = [nested]
    if len(column.shape) > 1:
        ways.append({"type": "array", "items": element, "minItems": size(column), "maxItems": size(column)})
    return {"oneOf": [*ways, _packed(column)]}


def element_of(column: Column) -> dict[str, Any]:
    """JSON Schema of one element."""
    dtype = DTYPES[column.dtype]
    if dtype.kind == "f":
        most = float(np.finfo(dtype).max)
        limits, kind = (-most, most), "number"
    else:
        limits, kind = (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)), "integer"
    low = limits[0] if column.minimum is None else max(limits[0], column.minimum)
    high = limits[1] if column.maximum is None else min(limits[1], column.maximum)
    if kind == "number" and dtype.itemsize == 8:
        # JSON has no greater numbers.
        stated = {"minimum": column.minimum, "maximum": column.maximum}
        return {"type": kind, **{name: limit for name, limit in stated.items() if limit is not None}}
    return {"type": kind, "minimum": _whole(low), "maximum": _whole(high)}


def _whole(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def _packed(column: Column) -> dict[str, Any]:
    held = length(column)
    letters = -(-held // 3) * 4
    text = {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": f"^[A-Za-z0-9+/]*{'=' * (-held % 3)}$",
        "minLength": letters,
        "maxLength": letters,
        "description": f"The {held} bytes of its elements: {column.dtype}, little-endian, row by row.",
    }
    return {"type": "object", "required": ["b64"], "properties": {"b64": text}, "additionalProperties": False}


def example_of(column: Column) -> Any:
    """A made-up tensor that the model answers, a ramp from the least to the greatest element: as nested lists where it
    has few elements, as `{"b64": ...}` where it has more; None where it is too long for a document."""
    if length(column) > MOST_EXAMPLE_BYTES:
        return None
    low, high = scale_of(column)
    low = low if column.minimum is None else max(low, column.minimum)
    high = high if column.maximum is None else min(high, column.maximum)
    dtype = DTYPES[column.dtype]
    ramp = np.linspace(low, max(low, high), size(column))
    if dtype.kind == "f":
        digits = 2 - floor(log10(high - low)) if high > low else 0
        made = ramp.round(digits).clip(low, max(low, high))
    else:
        made = np.floor(ramp).clip(ceil(low)).astype(dtype)
    if size(column) <= MOST_LISTED:
        listed: list[Any] = made.reshape(column.shape).tolist()
        return listed
    return {"b64": base64.b64encode(made.astype(dtype).tobytes()).decode()}
