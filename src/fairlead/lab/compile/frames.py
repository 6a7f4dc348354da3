"""From the columns form back to the frame a pipeline was fitted on, dtypes included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.signature import Signature
from fairlead.runtime.native import frames

if TYPE_CHECKING:
    import pandas as pd


def frame_like(columns: Mapping[str, Any], signature: Signature, sample: pd.DataFrame | None) -> pd.DataFrame:
    """A frame of these columns with the dtypes of `sample`; without one, those of `lab.tables.frame_of`.

    A dtype that cannot hold the values (an integer or boolean one with missing cells)
    becomes what pandas itself would have read: float64 or object.
    """
    if sample is None:
        from fairlead.lab.tables import frame_of

        natural: pd.DataFrame = frame_of(columns, signature)
        return natural
    from fairlead.lab.compile.native import types_of

    types = [msgspec.to_builtins(told) for told in types_of(signature, sample)]
    found: pd.DataFrame = frames.frame_of(columns, types)
    return found
