"""Size, memory, latency and CPU of sealed models, side by side in one run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import RemoteError

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

ROUNDS, CALLS, ROWS, AT_MOST = 7, 300, 50_000, 5_000_000
MODEL, PROCESSES = "model", 3


class Measured(msgspec.Struct, frozen=True):
    """One sealed model. bytes: of the folder model/; memory_mb: that a process holds more once it is loaded and has
    answered; row_us: one row in process; cpu_s_per_million: CPU seconds a million rows
    in bulk, which stands for energy; all medians. rounds: latency and cpu of each round, in turn with other models'.
    """

    bytes: int
    memory_mb: float
    row_us: float
    cpu_s_per_million: float
    rounds: dict[str, tuple[float, ...]] = {}


def measured_together(
    models: Sequence[Model],
    folders: Sequence[Path],
    columns: Mapping[str, Any],
    trusted: Sequence[str],
    rounds: int = ROUNDS,
) -> tuple[Measured, ...]:
    """Both (or all) in alternating rounds, so that whatever else the machine does meets them alike.

    folders: of the models' bundles; columns: some rows in the columns form; trusted: keys, for the processes that
    measure memory, three of them, or as many as `rounds`. Raises RemoteError when such a process fails.
    """
    many, rows = _repeated(columns, _enough(models[0], columns)), _rows(models[0], columns)
    count = len(next(iter(many.values())))
    latency: list[list[float]] = [[] for _ in models]
    cpu: list[list[float]] = [[] for _ in models]
    for number in range(rounds):
        # Each goes first as often as last: who comes second finds the machine warm.
        for at in sorted(range(len(models)), reverse=number % 2 == 1):
            latency[at].append(_one_by_one(models[at], rows))
            started = time.process_time()
            models[at].score_columns(many)
            cpu[at].append((time.process_time() - started) / count * 1e6)
    return tuple(
        Measured(
            bytes=bytes_of(folder),
            memory_mb=round(statistics.median(memory_of(folder, trusted) for _ in range(min(rounds, PROCESSES))), 2),
            row_us=round(statistics.median(latency[at]), 2),
            cpu_s_per_million=round(statistics.median(cpu[at]), 4),
            rounds={"latency": _told(latency[at], 2), "cpu": _told(cpu[at], 4)},
        )
        for at, folder in enumerate(folders)
    )


def bytes_of(folder: Path) -> int:
    """Bytes of a bundle's model."""
    return sum(path.stat().st_size for path in (folder / MODEL).rglob("*") if path.is_file())


def _told(numbers: list[float], digits: int) -> tuple[float, ...]:
    return tuple(round(number, digits) for number in numbers)


def _enough(model: Model, columns: Mapping[str, Any]) -> int:
    """Rows of a round: fewer where each is thousands of features."""
    return max(1000, min(ROWS, AT_MOST // max(model.front.width, 1)))


def _repeated(columns: Mapping[str, Any], rows: int) -> dict[str, Any]:
    have = len(next(iter(columns.values())))
    at = np.arange(rows) % have
    return {name: np.asarray(values)[at] for name, values in columns.items()}


def _rows(model: Model, columns: Mapping[str, Any]) -> list[list[Any]]:
    """The first rows as the server gives them to the model."""
    made = []
    for at in range(min(CALLS, len(next(iter(columns.values()))))):
        row: list[Any] = []
        for column in model.signature.columns:
            cell = columns[column.name][at]
            if column.kind == "tensor":
                row.append(np.asarray(cell).tobytes())
            else:
                row.append(None if cell is None or cell != cell else float(cell) if column.numeric else cell)
        made.append(row)
    return made


def _one_by_one(model: Model, rows: list[list[Any]]) -> float:
    """Median microseconds of one row."""
    taken = []
    for row in rows:
        started = time.perf_counter_ns()
        model.answer_rows([row])
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / 1000.0


PROGRAM = """
import json, sys
from pathlib import Path
def held():
    pages = {line.split(":")[0]: line.split()[1] for line in Path("/proc/self/status").read_text().splitlines()
             if line.startswith("VmRSS")}
    return int(pages["VmRSS"]) / 1024
from fairlead.runtime.bundle import load
import numpy, onnxruntime
before = held()
model = load(sys.argv[1], sys.argv[2:])
print(json.dumps(held() - before))
"""


def memory_of(folder: Path, trusted: Sequence[str]) -> float:
    """MiB that a fresh process holds more with this model loaded and its golden rows answered; 0 where there is no
    /proc. Raises RemoteError.
    """
    if not Path("/proc/self/status").exists():
        return 0.0
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM, str(folder), *trusted], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RemoteError(f"a process that should load the model ended with {done.returncode}")
    return max(float(json.loads(done.stdout)), 0.0)
