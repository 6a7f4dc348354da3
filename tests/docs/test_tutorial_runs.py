"""The tutorial's commands, in its order, on the table it speaks of; only the search is shortened."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from tests.conftest import Program, eventually
from tests.docs.pages import misses
from tests.journeys.test_churn_loop import typed

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "churn.md").read_text()


def command(verb: str) -> list[str]:
    """The words of the tutorial's line for a verb, without its comment."""
    found = re.search(rf"^fairlead ({verb}\b[^#\n]*)", TEXT, re.M)
    assert found, f"the tutorial has no fairlead {verb}"
    return found[1].split()


def unlike_shown(first: str, printed: str) -> list[str]:
    """The lines of the tutorial's block that begins so which were not printed."""
    (block,) = (one for one in re.findall(r"```text\n(.*?)```", TEXT, re.S) if one.startswith(first))
    return misses(tuple(line for line in block.splitlines() if line.strip()), printed)


def shorten(folder: Path) -> None:
    """A quick search, on a free port; the rest as `init` wrote it."""
    path = folder / "fairlead.toml"
    text = path.read_text().replace("trials = 30", "trials = 2").replace("folds = 5", "folds = 3")
    path.write_text(text.replace("port = 8080", "port = 0"))


def test_the_tutorial_from_table_to_feedback(program: Program, churn_csv: Path) -> None:
    folder = program.folder
    shutil.copy(churn_csv, folder / "churn.csv")
    with churn_csv.open() as file:
        rows = list(csv.DictReader(file))
    (folder / "row.json").write_text(json.dumps(typed(rows[0])))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["customerID", "Churn"], *([row["customerID"], row["Churn"]] for row in rows[:50])])
    assert not unlike_shown("wrote fairlead.toml", program.run(*command("init")).stdout)
    shorten(folder)
    program.run(*command("train"))
    assert not unlike_shown("Gate: ", program.run(*command("evaluate")).stdout)
    process = program.start(*command("up"))
    try:
        log = folder / "up.log"
        found = eventually(
            lambda: re.search(r"ready: churn at (http://[^/]+)", log.read_text()), within_s=90, what="up to be ready"
        )
        ask = re.search(r"^curl -s localhost:8080(\S+) -d (\S+)$", TEXT, re.M)
        assert ask
        answer = subprocess.run(
            ["curl", "-s", f"{found[1]}{ask[1]}", "-d", ask[2]], cwd=folder, capture_output=True, text=True, check=True
        )
        assert json.loads(answer.stdout)["predictions"][0]["label"] in {"Churned", "Stayed"}
        predicted = program.json(*command("predict"))
        assert predicted["rows"] == len(rows)
        assert not unlike_shown("churn version 1 deployed", log.read_text())
        assert not unlike_shown("50 labels", program.run(*command("feedback")).stdout)
        assert not unlike_shown("churn: since", program.run("status").stdout)
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
