"""A pickle of somebody else, opened by a process of its own: what comes back names its types and is audited.

Opening a pickle runs whatever it holds. Here that happens in a child that has no keys or credentials in its
environment, ends within a bound, and hands over the model in the form of skops, which this process reads type by type.
It is no sandbox: the child may do what the user may. `python -m` this module with a pickle and a file is the child.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.errors import SourceUnreadable
from fairlead.contract.plugins import variant
from fairlead.lab.compile.sources.opening import Hints, Opened, needs_trust
from fairlead.runtime.native.link import untold

if TYPE_CHECKING:
    import pandas as pd

WITHIN_S = 300.0
LARGEST_BYTES = 4 << 30
NOT_WRITTEN = 3
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "OMP_NUM_THREADS")
"""Of the environment: what a Python needs to start, and nothing that a model should read."""


def open_pickle(where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
    """The model in a pickle of joblib, pickle or cloudpickle. Raises UsageError without trust, SourceUnreadable.

    Where its types cannot be written down as data, this process opens it as well, and says so.
    """
    if not hints.trust:
        raise needs_trust("a pickle")
    with tempfile.TemporaryDirectory(prefix="fairlead-pickle-") as scratch:
        out = Path(scratch) / "model.skops"
        why = _opened_apart(where, out)
        if not why:
            opened: Opened = variant("source", "skops")().open(str(out), sample, hints)
            return Opened(
                opened.estimator,
                f"opened the pickle in a process of its own, which ran its code, and {opened.said}",
                opened.artefact,
            )
    here: Opened = variant("source", "joblib")().open(where, sample, hints)
    return Opened(here.estimator, f"{here.said} in this process, as {why}", here.artefact)


def _opened_apart(where: str, out: Path) -> str:
    """Have a child write the model to `out`; empty, or why its types cannot be written down."""
    words = [sys.executable, "-m", __name__, str(Path(where).absolute()), str(out)]
    kept = {name: os.environ[name] for name in KEPT if name in os.environ} | untold()
    try:
        done = subprocess.run(  # noqa: S603
            words,
            env=kept,
            cwd=out.parent,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceUnreadable(f"{Path(where).name}: was not open after {WITHIN_S:.0f} s") from None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word"]
    if done.returncode == NOT_WRITTEN:
        return f"skops cannot write it down ({said[0][:200]})"
    if done.returncode:
        raise SourceUnreadable(f"{Path(where).name}: cannot be opened ({said[0][:300]})")
    return ""


def main(where: str, out: str) -> int:
    """What the child does."""
    import contextlib
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_BYTES, LARGEST_BYTES))
    import joblib

    model = joblib.load(where)
    try:
        from skops import io
    except ModuleNotFoundError:
        sys.stderr.write("skops is not installed\n")
        return NOT_WRITTEN
    try:
        io.dump(model, out)
    except Exception as failed:
        with contextlib.suppress(OSError):
            Path(out).unlink()
        sys.stderr.write(f"{type(failed).__name__}: {str(failed)[:200]}\n")
        return NOT_WRITTEN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
