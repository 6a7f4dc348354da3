"""The weights of one layer, in as few bytes as they are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fairlead.lab.stats.measures import Floats

Form = Literal["float64", "float32", "float16", "int8"]
FORMS: tuple[Form, ...] = ("float64", "float32", "float16", "int8")
LARGEST_HALF = 65504.0
"""The largest number of float16."""


@dataclass(frozen=True)
class Weights:
    """kept: (inputs, outputs) in the dtype of a form; scale: float32 (outputs,), of whole numbers alone, else None.

    A weight is kept * scale in double precision, so it is the same number wherever it is worked out.
    """

    kept: np.ndarray[Any, Any]
    scale: np.ndarray[Any, Any] | None = None

    @property
    def form(self) -> Form:
        """In which form they are kept."""
        found: Form = self.kept.dtype.name
        return found

    @property
    def numbers(self) -> Floats:
        """As doubles, (inputs, outputs)."""
        whole: Floats = self.kept.astype(np.float64)
        return whole if self.scale is None else whole * self.scale.astype(np.float64)

    @property
    def singles(self) -> np.ndarray[Any, Any]:
        """In single precision, (inputs, outputs)."""
        whole = self.kept.astype(np.float32)
        return whole if self.scale is None else whole * self.scale

    @property
    def zeros(self) -> float:
        """The share of weights that are 0."""
        return float((self.kept == 0).mean()) if self.kept.size else 0.0


def kept_as(form: Form, numbers: Floats, largest: int = 127) -> Weights:
    """Weights in a form. largest: of int8, the whole number that the largest weight of an output becomes.

    Whole numbers are symmetric, with a scale of each output. Source: Jacob et al., Quantization and Training of Neural
    Networks for Efficient Integer-Arithmetic-Only Inference (2018). Raises ValueError where float16 cannot hold them.
    """
    numbers = np.asarray(numbers, dtype=np.float64)
    if form == "int8":
        top = np.abs(numbers).max(axis=0, initial=0.0)
        scale = np.where(top > 0.0, top / largest, 1.0).astype(np.float32)
        whole = np.rint(numbers / scale.astype(np.float64))
        return Weights(np.clip(whole, -largest, largest).astype(np.int8), scale)
    if form == "float16" and np.abs(numbers).max(initial=0.0) > LARGEST_HALF:
        raise ValueError("a weight is too large for float16")
    return Weights(numbers.astype(form))
