"""Environments of peers, each of its own, outside the tree, installed from files that pin every package by its hash.

`peers/NAME.in` says what is wanted and `peers/NAME.txt` what that was resolved to:

    uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --no-emit-package nvidia-nccl-cu12 benchmarks/peers/NAME.in -o benchmarks/peers/NAME.txt

(What XGBoost wants of NVIDIA is 300 MB that no processor uses.) They lie under `$FAIRLEAD_PEERS`, else in the user's
cache, about 600 MB each, and are made anew when their file changes.
Licences of what is compared: FLAML MIT, Evidently and NannyML Apache-2.0, ydata-profiling MIT, scikit-learn
BSD-3-Clause.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / "peers"
UV = Path(sys.executable).parent / "uv"


def cache() -> Path:
    """Where environments and what was measured so far are kept: outside the tree."""
    own = os.environ.get("FAIRLEAD_PEERS")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairlead-peers"


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there. Raises CalledProcessError."""
    pinned = PEERS / f"{name}.txt"
    folder, digest = cache() / name, hashlib.sha256(pinned.read_bytes()).hexdigest()
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists() and made.read_text() == digest:
        return python
    print(f"    making {folder} (some minutes)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder], check=True)
    install = [UV, "pip", "install", "-q", "--compile-bytecode", "--require-hashes", "--no-deps", "--python", python]
    subprocess.run([*install, "-r", pinned], check=True)
    made.write_text(digest)
    return python
