"""onnxruntime tells its makers about every process unless it is told not to; a model that answers tells nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADS = """
import fairlead.{room}
import onnxruntime
try:
    onnxruntime.InferenceSession(b"")
except Exception:
    pass
"""


@pytest.mark.parametrize("room", ["runtime.bundle", "runtime.serve", "lab.compile"])
def test_onnxruntime_keeps_no_identifier_and_opens_no_uploader(room: str, tmp_path: Path) -> None:
    kept = {name: said for name, said in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOADS.format(room=room)],
        env={**kept, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*"))
