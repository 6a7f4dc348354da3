"""The program in this process: fast enough to try every verb and every mistake."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SETTINGS = """\
[model]
name = "loans"
task = "classification"
target = "repaid"
positive = "yes"
id = "loan"

[data]
train = "loans.csv"

[train]
learners = ["logistic"]
trials = 1
folds = 2
seed = {seed}

[serve]
port = 0

[monitor]
window = "50rows"
label_delay = "0s"
"""


class Ended(NamedTuple):
    """How a verb ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        answer: dict[str, Any] = json.loads(lines[0])
        return answer


def fairlead(folder: Path, *arguments: str) -> Ended:
    """Run a verb in `folder` as `main` does, without starting a process."""
    from fairlead.doors.cli.main import main
    from fairlead.doors.cli.output import chosen

    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["fairlead", *arguments]
    chosen.folder, chosen.as_json, chosen.when_stopped = Path("."), False, ""
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os.chdir(before)
        sys.argv = argv
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ended(code, out.getvalue(), err.getvalue())


def write_loans(path: Path, rows: int = 400, seed: int = 1) -> None:
    """A small table with a rule to find, a key, a category and some blanks."""
    random = np.random.default_rng(seed)
    income, kind = random.normal(50, 15, rows), random.choice(["car", "house", "study"], rows)
    chance = 1 / (1 + np.exp(-(income - 45) / 6))
    truth = np.where(random.random(rows) < chance, "yes", "no")
    lines = ["loan,income,kind,repaid"]
    for n in range(rows):
        shown = "" if n % 40 == 7 else f"{income[n]:.2f}"
        lines.append(f"L{n},{shown},{kind[n]},{truth[n]}")
    path.write_text("\n".join(lines) + "\n")


def make_project(folder: Path, seed: int = 0) -> Path:
    """A project that trains in a second."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fairlead.toml").write_text(SETTINGS.format(seed=seed))
    write_loans(folder / "loans.csv")
    return folder


def copy_of(project: Path, folder: Path) -> Path:
    """The same project and home at another place, to be broken."""
    shutil.copytree(project, folder)
    return folder
