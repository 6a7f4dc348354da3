"""Under a limit of memory that a training of the whole table does not live with, one out of core trains and seals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fairlead
from fairlead.doors.python import init

ROWS, COLUMNS = 800_000, 12
LEFT_MB = 512
"""Above what the libraries take. The whole table was measured to take 950 MB in training, and 250 MB in passes."""

PROGRAM = """
import re, resource, sys
from pathlib import Path
import fairlead

def now(key):
    return int(re.search(rf"^{key}:\\s+(\\d+) kB", Path("/proc/self/status").read_text(), re.M)[1]) * 1024

fairlead.open(sys.argv[1]).train()  # all libraries are loaded, and their threads made
Path("/proc/self/clear_refs").write_text("5")
before = now("VmHWM")
limit = now("VmData") + int(sys.argv[3]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
answer = fairlead.open(sys.argv[2]).train()
print("sealed", answer["bundle"][:12], answer["scale"]["way"] if answer["scale"] else "whole")
print("peak", (now("VmHWM") - before) // 2**20)
"""


def table(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join([*(f"c{i}" for i in range(COLUMNS)), "town", "bought"]) + "\n")
        for first in range(0, rows, 100_000):
            count = min(100_000, rows - first)
            cells = random.normal(size=(count, COLUMNS)).round(4)
            bought = random.random(count) < 1 / (1 + np.exp(-cells[:, 0] - 0.5 * cells[:, 1]))
            towns = random.integers(0, 5, count)
            for row, town, yes in zip(cells.tolist(), towns.tolist(), bought.tolist(), strict=True):
                file.write(",".join(map(repr, row)) + f",t{town},{'yes' if yes else 'no'}\n")


def project(folder: Path, rows: int, rules: str) -> Path:
    folder.mkdir()
    table(folder / "rows.csv", rows)
    init(folder / "rows.csv", "bought", folder)
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(
        r"folds = 5.*\n(#.*\n)*trials = 30.*", f'trials = 1\nlearners = ["logistic"]\nfolds = 2\n{rules}', toml
    )
    (folder / "fairlead.toml").write_text(toml)
    assert fairlead.open(folder).workspace.settings.train.trials == 1
    return folder


@pytest.mark.long
def test_a_table_of_several_times_the_limit_trains_and_seals(tmp_path: Path) -> None:
    small = project(tmp_path / "small", 3_000, "memory_mb = 1")
    large = project(tmp_path / "large", ROWS, "memory_mb = 64")
    program = tmp_path / "limited.py"
    program.write_text(PROGRAM)

    def run(limit: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(program), str(small), str(large), str(limit)],
            capture_output=True, text=True, check=False, timeout=900,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        )  # fmt: skip

    passed = run(LEFT_MB)
    assert passed.returncode == 0, passed.stderr[-3000:]
    assert "every row" in passed.stdout
    peak = int(re.search(r"peak (\d+)", passed.stdout)[1])  # type: ignore[index]
    assert peak < LEFT_MB
    toml = (large / "fairlead.toml").read_text()
    (large / "fairlead.toml").write_text(toml.replace("memory_mb = 64", "out_of_core = false"))
    whole = run(LEFT_MB)
    assert whole.returncode != 0
    assert re.search(r"MemoryError|bad_alloc|malloc|realloc|Unable to allocate", whole.stderr), whole.stderr[-3000:]
