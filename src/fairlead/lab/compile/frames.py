"""From the columns form back to the frame a pipeline was fitted on, dtypes included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.signature import Signature
from fairlead.runtime.native import frames

if TYPE_CHECKING:
    import pandas as pd


def frame_like(columns: Mapping[str, Any], signature: Signature, sample: pd.DataFrame | None) -> pd.DataFrame:
    """A frame of these columns with the dtypes of `sample`; without one, those of `lab.tables.frame_of`. Cells of
    tensors are arrays in their shape.

    A dtype that cannot hold the values (an integer or boolean one with missing cells)
    becomes what pandas itself would have read: float64 or object.
    """
    if sample is None:
        from fairlead.lab.tables import frame_of

        natural: pd.DataFrame = frame_of(columns, signature)
        return natural
    from fairlead.lab.compile.native import types_of

    plain = msgspec.structs.replace(signature, columns=tuple(c for c in signature.columns if c.kind != "tensor"))
    types = [msgspec.to_builtins(told) for told in types_of(plain, sample)]
    found: pd.DataFrame = frames.frame_of(columns, types)
    for at, column in enumerate(signature.columns):
        if column.kind == "tensor":
            from fairlead.lab.tables.tensors import series_of

            found.insert(at, column.name, series_of(np.asarray(columns[column.name]).reshape(-1, *column.shape)))
    return found
