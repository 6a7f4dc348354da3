"""What Linux says of the machine and of one thread, without rights; -1 for what it does not tell."""

from __future__ import annotations

import os
import time
from pathlib import Path

UNTOLD = -1.0


def thread_cpu_s(ident: int) -> float:
    """Seconds of processor that a thread of this process had, by its `threading.get_ident`."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    except (OSError, AttributeError):
        return UNTOLD


def thread_waited_s(native: int) -> float:
    """Seconds that a thread could have run while others had the processor, by its `threading.get_native_id`."""
    return _field(f"/proc/self/task/{native}/schedstat", 1, 1e-9)


def resident_bytes() -> int:
    """Memory of this process, what is shared included."""
    pages = _field("/proc/self/statm", 1, 1.0)
    return -1 if pages < 0 else int(pages) * os.sysconf("SC_PAGE_SIZE")


def machine_s() -> tuple[float, float]:
    """Seconds that all processors had since the start, and those that the host gave to other machines."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        times = [float(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    except (OSError, ValueError):
        return UNTOLD, UNTOLD
    return (sum(times), times[7]) if len(times) == 8 else (UNTOLD, UNTOLD)


def pressure_s(resource: str) -> float:
    """Seconds in which somebody waited for `io`, `cpu` or `memory`. Source: Linux, accounting/psi.rst."""
    try:
        line = Path(f"/proc/pressure/{resource}").read_text().split("\n", 1)[0]
        return float(line.rpartition("total=")[2]) * 1e-6
    except (OSError, ValueError):
        return UNTOLD


def throttled_s() -> float:
    """Seconds that the control group of this process was held back by its limit of processor time."""
    for path, name, unit in (
        (_group("") / "cpu.stat", "throttled_usec", 1e-6),
        (_group("cpu") / "cpu.stat", "throttled_time", 1e-9),
    ):
        try:
            for line in path.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return float(value) * unit
        except (OSError, ValueError):
            continue
    return UNTOLD


def memory() -> tuple[int, int]:
    """Bytes that may still be had, and all there are: of the machine, or of the control group where that is less."""
    free = total = -1
    try:
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free, total = (int(told[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, ValueError, KeyError):
        return free, total
    for folder, most, used in (
        (_group(""), "memory.max", "memory.current"),
        (_group("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            limit = int((folder / most).read_text())
            if limit < total:
                total, free = limit, min(free, max(limit - int((folder / used).read_text()), 0))
        except (OSError, ValueError):
            continue
    return free, total


def disk(folder: Path) -> tuple[int, int]:
    """Bytes free to this user, and all bytes, of the file system that a folder is on."""
    try:
        found = os.statvfs(folder)
    except (OSError, AttributeError):
        return -1, -1
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _group(controller: str) -> Path:
    """The folder of this process's control group; controller: of version 1, "" of version 2."""
    root = Path("/sys/fs/cgroup")
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(",") if controller else not controllers:
                return root / controller / path.lstrip("/")
    except (OSError, ValueError):
        pass
    return root / controller


def _field(path: str, number: int, unit: float) -> float:
    try:
        return float(Path(path).read_text().split()[number]) * unit
    except (OSError, ValueError, IndexError):
        return UNTOLD
