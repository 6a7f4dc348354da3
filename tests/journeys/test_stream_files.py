"""Folders as streams by Spark Structured Streaming: each line is answered once, also over a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually
from tests.journeys.streamed import BAD, deployed, rows, scored_here

pytestmark = pytest.mark.long
FILES, LINES = 150, 20


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.timeout(900)
@pytest.mark.verified(
    "streams", "Spark Structured Streaming", how="run", by="Spark 4 over files; killed at work, each line once"
)
def test_each_line_is_answered_once_also_over_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'fairlead[spark]'")
    if shutil.which("java") is None:
        pytest.skip("java is not installed: make test-deps")
    project = deployed(tmp_path / "loans")
    come, answered, dead = project / "come", project / "answered", project / "answered.dead"
    come.mkdir()
    wanted: dict[str, dict[str, Any]] = {}
    given = iter(rows(FILES * LINES).values())
    for number in range(FILES):
        body = []
        for line in range(1, LINES + 1):
            row = next(given)
            wanted[f"f{number:03d}.jsonl-{line}"] = row
            body.append(json.dumps(row).encode())
        body += [b"", BAD["no-column"]]
        (come / f"f{number:03d}.jsonl").write_bytes(b"\n".join(body) + b"\n")
    program = Program(project)
    words = ["stream", "--from", "come", "--to", "answered"]
    running = program.start(*words, "--batch", "10")
    try:
        eventually(lambda: list(answered.glob("batch-*.jsonl")), 240.0, "a first batch")
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(20)
    assert len(lines_of(answered)) < len(wanted)
    told = program.json(*words, "--once")
    assert told["lag"] == 0

    found = lines_of(answered)
    assert sorted(one["key"] for one in found) == sorted(wanted)
    expected = scored_here(project, wanted)
    for one in found:
        (prediction,) = one["predictions"]
        assert prediction["label"] == expected[one["key"]]["label"]
        assert prediction["probabilities"] == pytest.approx(expected[one["key"]]["probabilities"], rel=1e-12)
    refused = lines_of(dead)
    assert sorted(one["key"] for one in refused) == [f"f{number:03d}.jsonl-{LINES + 2}" for number in range(FILES)]
    assert all("columns missing: income" in one["reason"] for one in refused)
    assert not [path for folder in (answered, dead) for path in folder.glob(".batch-*.jsonl.[0-9]*")]
