"""Prepared features as a table of Spark: from memory, or from the disk without ever being in memory whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.lab.stats.measures import Floats
from fairlead.lab.tables.engines.spark_sources import file_address

ROWS, AIM, WEIGHT, FEATURES = "x", "aim", "weight", "features"


def spark_rows(session: Any, features: Floats, aims: Floats, weights: Floats | None) -> Any:
    """A DataFrame of `features` (vector), `aim` and `weight` (double). features: (n, f); aims, weights: (n,).

    Rows lie in their order in as many parts as the session has slots, so that the same rows with the same slots make
    the same model. Raises InputInvalid for features that are not finite: what Spark fits does not take them.
    """
    return _vectors(session.createDataFrame(_arrow(features, aims, weights)))


@contextmanager
def spark_stored(session: Any, stream: Any) -> Iterator[Any]:
    """The same from `out_of_core.stored.Stored`, by way of Parquet files beside it that Spark reads in parts.

    Executors must reach the folder: those of this machine do.
    """
    import pyarrow.parquet as pq

    folder = Path(stream.folder) / f"spark-{os.getpid()}"
    folder.mkdir()
    try:
        first = 0
        for number, part in enumerate(stream.parts()):
            rows = _arrow(part.features, part.truth, part.weights, first)
            pq.write_table(rows, folder / f"part-{number:06}.parquet")
            first += len(part.truth)
        yield _vectors(session.read.parquet(file_address(folder)))
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _arrow(features: Floats, aims: Floats, weights: Floats | None, first: int = 0) -> Any:
    import pyarrow as pa

    x = np.ascontiguousarray(features, dtype=np.float64)
    _require_finite(x, first)
    ends = pa.array(np.arange(len(x) + 1, dtype=np.int64) * x.shape[1], type=pa.int32())
    own = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    return pa.table(
        {
            ROWS: pa.ListArray.from_arrays(ends, pa.array(x.ravel())),
            AIM: np.asarray(aims, dtype=np.float64),
            WEIGHT: own,
        }
    )


def _require_finite(x: Floats, first: int) -> None:
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, feature = wrong[0].tolist()
        what = "missing" if np.isnan(x[row, feature]) else "infinite"
        raise InputInvalid(
            f"row {first + row}, prepared feature {feature} is {what}: models of Spark take finite numbers alone. Let "
            "[preparation] fill missing cells."
        )


def _vectors(frame: Any) -> Any:
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.functions import col

    return frame.select(array_to_vector(col(ROWS)).alias(FEATURES), AIM, WEIGHT)
