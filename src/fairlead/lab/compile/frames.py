"""From the columns form back to the frame a pipeline was fitted on, dtypes included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.signature import Column, Signature

if TYPE_CHECKING:
    import pandas as pd


def frame_like(columns: Mapping[str, Any], signature: Signature, sample: pd.DataFrame | None) -> pd.DataFrame:
    """A frame of these columns with the dtypes of `sample`; without one, those of `lab.tables.frame_of`.

    A dtype that cannot hold the values (an integer or boolean one with missing cells)
    becomes what pandas itself would have read: float64 or object.
    """
    import pandas as pd

    if sample is None:
        from fairlead.lab.tables import frame_of

        natural: pd.DataFrame = frame_of(columns, signature)
        return natural
    series = {c.name: _series(np.asarray(columns[c.name]), c, sample[c.name].dtype) for c in signature.columns}
    return pd.DataFrame(series)


def _series(values: np.ndarray, column: Column, dtype: Any) -> pd.Series:
    return _numbers(values, column, dtype) if column.numeric else _texts(values, column, dtype)


def _numbers(values: np.ndarray, column: Column, dtype: Any) -> pd.Series:
    import pandas as pd

    whole = values.astype(np.float64)
    absent = np.isnan(whole)
    kind = getattr(dtype, "kind", "O")
    if kind == "M":
        micros = np.where(absent, 0.0, whole * 1e6).round().astype("datetime64[us]")
        micros[absent] = np.datetime64("NaT")
        stamps = pd.Series(micros).dt.tz_localize("UTC")
        zone = getattr(dtype, "tz", None)
        return stamps.dt.tz_convert(zone) if zone is not None else stamps.dt.tz_localize(None)
    if not isinstance(dtype, np.dtype):
        return pd.Series(whole).convert_dtypes().astype(dtype)
    if kind == "b":
        return pd.Series(whole.astype(bool)) if not absent.any() else _with_gaps(whole.astype(bool), absent)
    if kind in "iu":
        fits = not absent.any() and bool((whole == np.floor(whole)).all()) and bool((abs(whole) < 2**53).all())
        return pd.Series(whole.astype(dtype) if fits else whole)
    return pd.Series(whole.astype(dtype) if kind == "f" else whole)


def _texts(values: np.ndarray, column: Column, dtype: Any) -> pd.Series:
    import pandas as pd

    absent = np.array([v is None or v != v for v in values], dtype=bool)
    kind = getattr(dtype, "kind", "O")
    if kind in "iuf":
        return _numbers(
            np.array([np.nan if m else float(v) for v, m in zip(values, absent, strict=True)]), column, dtype
        )
    if kind == "b":
        truth = np.array([v == "true" for v in values])
        return pd.Series(truth) if not absent.any() else _with_gaps(truth, absent)
    cells = values.astype(object)
    if column.coded == "integer":
        cells = np.array([v if m else int(v) for v, m in zip(cells, absent, strict=True)], dtype=object)
    elif column.coded == "boolean":
        cells = np.array([v if m else v == "true" for v, m in zip(cells, absent, strict=True)], dtype=object)
    cells[absent] = np.nan
    if isinstance(dtype, pd.CategoricalDtype):
        known = list(dtype.categories)
        return pd.Series(pd.Categorical(cells, categories=[*known, *sorted(set(cells[~absent]) - set(known))]))
    found: pd.Series = pd.Series(cells, dtype=dtype)
    return found


def _with_gaps(truth: np.ndarray, absent: np.ndarray) -> pd.Series:
    import pandas as pd

    cells = truth.astype(object)
    cells[absent] = np.nan
    return pd.Series(cells, dtype=object)
