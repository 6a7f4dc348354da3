"""The compiled kernel of tensors; see `_tensors.c`."""

from typing import Any

def cell(value: Any, shape: tuple[int, ...], code: int, /) -> bytes | None:
    """The bytes of lists nested in `shape`, or of a flat list of as many numbers; None where a number is not of the
    dtype or a list not of the shape; NotImplemented for anything but exact lists, tuples, floats and whole numbers.

    code: the place of the dtype among uint8, int8, uint16, int16, int32, float32, float64.
    Raises ValueError for what is no shape or no code.
    """
