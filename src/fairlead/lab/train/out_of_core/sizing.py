"""Whether a table fits into the memory there is: estimated before it is loaded."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from fairlead.lab.tables.sources import ArrowFileTable, CsvTable, ParquetTable, Table

CELL_BYTES = 80
"""Of a number in a training held in memory: as it came, as a frame, as a column, prepared, and in folds."""
TEXT_SHARE = 2.0
"""Copies of a text: as it came, and in the frame."""
SHARE = 0.5
"""Of the memory that is available, what a training takes unless told."""
UNPACKED = 5.0
"""How much larger a compressed CSV is without its compression, at a guess."""
MEGABYTE = 1 << 20
STREAMED = (CsvTable, ParquetTable, ArrowFileTable)
_PROC = Path("/proc/meminfo")
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class Size(NamedTuple):
    """rows: about how many; row_bytes: what one of them takes in a training in memory."""

    rows: int
    row_bytes: float

    @property
    def needed(self) -> int:
        """Bytes that the whole table would take."""
        return int(self.rows * self.row_bytes)


def is_streamed(table: Table) -> bool:
    """Whether a table of this kind can be learned from in passes: CSV, Parquet and Arrow files."""
    return isinstance(table, STREAMED)


def size_of(table: Table) -> Size:
    """What a streamed table would take in memory, from its first rows and the size of its file."""
    first = next(iter(table.batches(2_000)), None)
    if first is None or not first.num_rows:
        return Size(0, 0.0)
    plain, texts = 0, 0
    for column in first.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            # Repeated texts are codes: what a cell takes is its code.
            plain += 1
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            plain, texts = plain + 1, texts + column.nbytes
        elif pa.types.is_nested(kind):
            texts += column.nbytes * CELL_BYTES // 8
        else:
            plain += 1
    row_bytes = plain * CELL_BYTES + TEXT_SHARE * texts / first.num_rows
    if isinstance(table, CsvTable):
        written = first.nbytes / first.num_rows - 3.0 * len(table.columns)
        packed = UNPACKED if table.source.name.endswith(".gz") else 1.0
        rows = int(table.source.stat().st_size * packed / max(written, 1.0))
    else:
        rows = table.rows
    return Size(max(rows, first.num_rows), row_bytes)


def memory_for(stated_mb: int) -> int:
    """Bytes that a training may take for its rows: as stated, else half of what is available to this process."""
    return stated_mb * MEGABYTE if stated_mb else int(SHARE * available())


def available() -> int:
    """Bytes that this process could still take: of the machine, of its control group and of its own limits."""
    found = [_of_machine(), *_of_groups(), *_of_limits()]
    return min([one for one in found if one > 0], default=4096 * MEGABYTE)


def _of_machine() -> int:
    try:
        known = re.search(r"^MemAvailable:\s+(\d+) kB", _PROC.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(known[1]) * 1024 if known else 0


def _of_groups() -> list[int]:
    found = []
    for limit, used in _GROUPS:
        try:
            most = Path(limit).read_text().strip()
            # "max", or close to 2**63: no limit.
            if most.isdigit() and int(most) < 1 << 60:
                found.append(int(most) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue
    return found


def _of_limits() -> list[int]:
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return [limit // 2 for limit in limits if limit != resource.RLIM_INFINITY]
