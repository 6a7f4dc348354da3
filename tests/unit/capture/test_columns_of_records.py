"""Some columns of many records: what the watcher asks for at every pass."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from fairlead.contract import records as names
from fairlead.runtime.capture import Records, layout


def write(home: Path, offset: int, times: list[float], kind: str = "prediction") -> None:
    """A file of records as the collector lays them out."""
    rows = len(times)
    table = pa.table({
        names.SEGMENT: ["s"] * rows, names.OFFSET: [offset] * rows, names.ROW: list(range(rows)),
        names.KIND: [kind] * rows, names.ARRIVED: times, names.TIME: times, names.REQUEST: [f"r{t}" for t in times],
    })  # fmt: skip
    folder = layout.records_folder(home, "m") / "2024-01-01" / "00"
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, folder / f"s-{offset}.parquet")


def test_columns_are_those_asked_for_within_the_interval_without_shadows(tmp_path: Path) -> None:
    write(tmp_path, 0, [1.0, 2.0, 3.0])
    write(tmp_path, 50, [4.0], kind="shadow")
    write(tmp_path, 90, [5.0])
    found = Records(tmp_path, "m").columns(2.0, None, [names.REQUEST, names.REQUEST, "in.never"])
    assert found.schema.names == [names.REQUEST]
    assert sorted(found.column(names.REQUEST).to_pylist()) == ["r2.0", "r3.0", "r5.0"]


def test_no_records_are_no_rows(tmp_path: Path) -> None:
    assert Records(tmp_path, "m").columns(None, None, [names.TIME]).num_rows == 0
