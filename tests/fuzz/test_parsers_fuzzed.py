"""The parsers under atheris in processes of their own, and every failure that was ever found, replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.targets import CORPUS, TARGETS, seeds, target

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def ids(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


@pytest.mark.parametrize("path", KEPT, ids=ids)
def test_what_once_failed_no_longer_does(path: Path) -> None:
    target(path.parent.name)(path.read_bytes())


def test_the_corpus_is_of_targets_that_exist() -> None:
    assert {path.parent.name for path in KEPT} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_right_inputs_pass(name: str) -> None:
    found = seeds(name)
    assert found, "a target begins with inputs that are right"
    once = target(name)
    for seed in found:
        once(seed)
        for cut in range(0, len(seed), max(1, len(seed) // 40)):
            once(seed[:cut])
            once(seed[:cut] + b"\x00" + seed[cut + 1 :])


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_makes_a_parser_fail(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is missing: it is installed on Linux with Python 3.11 and 3.12")
    options = [
        "-max_total_time=20",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, str(tmp_path / "inputs"), *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert done.returncode == 0, f"keep {found} in {CORPUS / name}\n{done.stderr[-4000:]}"
