"""What a worker process uses, as the system says it: any worker can tell of all of them when it is asked."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """resident_bytes includes what is shared with other workers. cpu_seconds: user and system."""

    resident_bytes: int
    cpu_seconds: float
    open_files: int


def usage(pid: int) -> Usage | None:
    """None where the process is gone or the system does not say (no /proc)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError, ValueError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"), files)


def folder_bytes(folder: Path) -> int:
    """Bytes of the files right in a folder; 0 where there is none."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue
    except OSError:
        return 0
    return total
