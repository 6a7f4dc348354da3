"""Ctrl-C at a drift report of many rows: a clean end, and nothing of its page is left behind."""

from __future__ import annotations

import os
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.conftest import Program, eventually

PARTS = 320


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
def test_a_long_drift_report_ends_cleanly(program: Program, number: int, code: int) -> None:
    rng = np.random.default_rng(0)
    part = pa.table({"a": rng.integers(0, 100, 131_072).astype(np.int8), "b": rng.integers(0, 2, 131_072) > 0})
    parquet.write_table(part, program.folder / "before.parquet")
    with parquet.ParquetWriter(program.folder / "now.parquet", part.schema) as writer:
        for _ in range(PARTS):
            writer.write_table(part)
    held = sorted(p.name for p in program.folder.iterdir())
    process = program.start("drift", "now.parquet", "--against", "before.parquet", "--html", "page/r.html", "--json")
    log = program.folder / "drift.log"
    eventually(lambda: "rows counted" in log.read_text(), 30, "rows are being counted")
    os.kill(process.pid, number)
    assert process.wait(60) == code, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said
    assert said.rstrip().splitlines()[-1].startswith("stopped")
    assert "{" not in said
    log.unlink()
    assert sorted(p.name for p in program.folder.iterdir()) == held
