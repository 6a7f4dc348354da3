"""From columns of floats and text back to the frame that a model was fitted on, dtypes included.

Runs in the model's own process, too: imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np


def frame_of(columns: Mapping[str, Any], types: Sequence[Mapping[str, Any]]) -> Any:
    """A pandas frame of these columns. types: see `form.ColumnType`, as mappings.

    A dtype that cannot hold the values (an integer or boolean one with missing cells) becomes what pandas itself
    would have read: float64 or object.
    """
    import pandas as pd

    series = {}
    for told in types:
        values, name = np.asarray(columns[told["name"]]), told["dtype"]
        dtype = _dtype(name, tuple(told.get("categories", ())) if name == "category" else None)
        make = _numbers if told["numeric"] else _texts
        series[told["name"]] = make(values, told.get("coded", "text"), dtype)
    return pd.DataFrame(series)


@lru_cache(maxsize=1024)
def _dtype(name: str, categories: tuple[Any, ...] | None) -> Any:
    import pandas as pd

    return pd.api.types.pandas_dtype(name) if categories is None else pd.CategoricalDtype(list(categories))


def _numbers(values: Any, coded: str, dtype: Any) -> Any:
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


def _texts(values: Any, coded: str, dtype: Any) -> Any:
    import pandas as pd

    absent = np.array([v is None or v != v for v in values], dtype=bool)
    kind = getattr(dtype, "kind", "O")
    if kind in "iuf":
        numbers = np.array([np.nan if m else float(v) for v, m in zip(values, absent, strict=True)])
        return _numbers(numbers, coded, dtype)
    if kind == "b":
        truth = np.array([v == "true" for v in values])
        return pd.Series(truth) if not absent.any() else _with_gaps(truth, absent)
    cells = values.astype(object)
    if coded == "integer":
        cells = np.array([v if m else int(v) for v, m in zip(cells, absent, strict=True)], dtype=object)
    elif coded == "boolean":
        cells = np.array([v if m else v == "true" for v, m in zip(cells, absent, strict=True)], dtype=object)
    cells[absent] = np.nan
    if isinstance(dtype, pd.CategoricalDtype):
        known = list(dtype.categories)
        return pd.Series(pd.Categorical(cells, categories=[*known, *sorted(set(cells[~absent]) - set(known))]))
    return pd.Series(cells, dtype=dtype)


def _with_gaps(truth: Any, absent: Any) -> Any:
    import pandas as pd

    cells = truth.astype(object)
    cells[absent] = np.nan
    return pd.Series(cells, dtype=object)
