"""A server with HTTP and gRPC in front of models trained on the churn table, once a learner."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.test_churn_loop import typed

TRAIN = """
[train]
learners = ["{learner}"]
trials = 1
folds = 2
seconds = 60

[serve]
port = 0
grpc_port = 0
"""


class Served(NamedTuple):
    """A running server. case: the file that clients are given."""

    http: str
    grpc: str
    case: Path
    bundle: Path

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.case.read_text())
        return told


@pytest.fixture(scope="session", params=["logistic", "hist_gradient_boosting"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Trained, judged, deployed and served by the program as a user runs it."""
    import fairlead

    table = real_table("telco-churn.csv")
    program = Program(tmp_path_factory.mktemp("clients"))
    folder = program.folder
    shutil.copy(table, folder / "churn.csv")
    program.run("init", "--data", "churn.csv", "--target", "Churn", "--positive", "Churned", "--name", "churn")
    settings = folder / "fairlead.toml"
    text = re.sub(r"(?ms)^\[(train|serve)\]\n.*?(?=^\[|\Z)", "", settings.read_text())
    settings.write_text(text + TRAIN.format(learner=request.param))
    project = fairlead.open(folder)
    bundle = folder / ".fairlead" / "bundles" / project.train()["bundle"]
    project.evaluate()
    project.register()
    project.deploy()
    process = program.start("serve")
    try:
        log = folder / "serve.log"
        found = eventually(
            lambda: re.search(r"ready: http://(\S+) grpc://(\S+)", log.read_text()),
            within_s=60,
            what="the server to be ready",
        )
        model = fairlead.load(bundle)
        rows = some_rows(table)
        case = folder / "case.json"
        told = {
            "http": found[1],
            "grpc": found[2],
            "model": "churn",
            "version": "1",
            "classes": list(model.signature.classes),
            "rows": rows,
            "expected": model.predict([{k: v for k, v in row.items() if k != "customerID"} for row in rows]),
        }
        case.write_text(json.dumps(told))
        yield Served(found[1], found[2], case, bundle)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def some_rows(table: Path) -> list[dict[str, Any]]:
    """Rows from all over the table, the first of those without total charges among them."""
    with table.open() as file:
        rows = [typed(row) for row in csv.DictReader(file)]
    blank = next(row for row in rows if row["TotalCharges"] is None)
    return [*rows[:: len(rows) // 9][:9], blank]
