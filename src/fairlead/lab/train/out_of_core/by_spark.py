"""Models that Spark fits, on every row: it reads them from the disk in parts, its executors share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class StreamedBySpark:
    """Port `streamed`: of the learners whose fits are Spark's. Needs the extra `spark`."""

    how = "Spark: every row, read from the disk in parts by its executors"

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed. What does not fit into the memory of executors they keep on their disks."""
        return None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        return estimator.fit_stored(stream, classes)
