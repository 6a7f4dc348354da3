"""Environments for clients that cannot live beside us (KServe's needs an older pandas): made once, from a lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def python_of(name: str) -> str:
    """The interpreter of `.venv-clients-NAME`, which holds exactly what `requirements/clients-NAME.txt` says."""
    lock, folder = ROOT / "requirements" / f"clients-{name}.txt", ROOT / f".venv-clients-{name}"
    python, stamp = folder / "bin" / "python", folder / "lock.sha256"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, python, lock)
        stamp.write_text(wanted)
    return str(python)


def _make(folder: Path, python: Path, lock: Path) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    links = ["--find-links", os.environ["PIP_FIND_LINKS"]] if os.environ.get("PIP_FIND_LINKS") else []
    # The lock leaves out what only KServe's server needs, so nothing is resolved here.
    exact = ["--no-deps", "--require-hashes", "-r", str(lock), *links]
    if uv:
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *exact],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *exact],
        ]
    for command in commands:
        subprocess.run(command, check=True, timeout=500)


if __name__ == "__main__":
    python_of(sys.argv[1])
