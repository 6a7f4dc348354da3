"""Tensors in JSON, read where they stand: no object of Python's is made for each element.

A decoder that is told to leave them (`LEFT`) hands their text on, and `numbers_in` reads it. The reader is a C file
that is compiled when the package is built; where that could not be, decoders read everything as they always do.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Raw

from fairlead.contract.errors import BodyInvalid
from fairlead.runtime.wire.reading import UNREADABLE

try:
    from fairlead.runtime.wire import _lists
except ImportError:  # no compiler when the package was built
    _lists = None  # type: ignore[assignment]

LEFT: Any = Any if _lists is None else Raw
"""What decoders take for a tensor: its text, or without a reader the lists themselves."""

_decode = msgspec.json.Decoder().decode


def numbers_in(text: Raw, shape: tuple[int, ...]) -> npt.NDArray[np.float64] | None:
    """The numbers of lists in `shape`, or of a flat one, as an array (elements,); None for anything else."""
    found = None if _lists is None else _lists.numbers(text, shape)
    return None if found is None else np.frombuffer(found)


def value_in(text: Raw) -> Any:
    """The value of a text. Raises BodyInvalid for what a decoder did not look at: texts that are no UTF-8, numbers
    too large."""
    try:
        return _decode(text)
    except RecursionError:
        raise BodyInvalid("body is nested too deeply") from None
    except UNREADABLE as bad:
        raise BodyInvalid(f"body is not valid JSON: {bad}") from None
