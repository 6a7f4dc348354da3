"""A challenger that fails requests under load is out of the routes within seconds, and the champion never notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Program, eventually
from tests.journeys.load import Load
from tests.journeys.test_native_models import CONFIG, FEATURES, table

BREAKING = '''
import os
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Fragile(ClassifierMixin, BaseEstimator):
    """Answers until the file it needs is gone, as a model does whose resource is taken away."""

    def __init__(self, needed=""):
        self.needed = needed

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.middle_ = float(np.median(np.asarray(X)[:, 0].astype(float)))
        return self

    def predict_proba(self, X):
        if not os.path.exists(self.needed):
            raise RuntimeError("the lookup table is gone")
        amount = np.nan_to_num(np.asarray(X)[:, 0].astype(float), nan=self.middle_)
        high = 1.0 / (1.0 + np.exp(np.clip((amount - self.middle_) / self.middle_, -50, 50)))
        return np.column_stack([1.0 - high, high])

    def predict(self, X):
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]
'''


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """A plain champion deployed as version 1, and a version 2 that breaks when its file is taken away."""
    program = Program(tmp_path_factory.mktemp("guarded"))
    folder = program.folder
    (folder / "fairlead.toml").write_text(CONFIG + '\n[monitor]\nwindow = "100000rows"\n')
    table().to_csv(folder / "loans.csv", index=False)
    table(seed=1).to_csv(folder / "later.csv", index=False)
    (folder / "fragile.py").write_text(BREAKING)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    needed = folder / "lookup.bin"
    needed.write_bytes(b"x")
    made = (
        "import joblib, pandas as pd\n"
        "from fragile import Fragile\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.compose import make_column_transformer\n"
        "from sklearn.preprocessing import OneHotEncoder, StandardScaler\n"
        "from sklearn.pipeline import make_pipeline\n"
        f"rows = pd.read_csv('loans.csv')\nX, y = rows[{FEATURES!r}], rows['repaid']\n"
        "front = make_column_transformer((StandardScaler(), ['amount', 'years']),"
        " (OneHotEncoder(handle_unknown='ignore'), ['kind']))\n"
        "joblib.dump(make_pipeline(front, LogisticRegression()).fit(X, y), 'plain.joblib')\n"
        f"joblib.dump(Fragile({str(needed)!r}).fit(X, y), 'fragile.joblib')\n"
    )
    subprocess.run([sys.executable, "-c", made], cwd=folder, check=True)
    for name in ("plain", "fragile"):
        sealed = program.json("bundle", f"{name}.joblib", "--trust", "--sample", "loans.csv")
        program.json("evaluate", sealed["bundle"], "--data", "later.csv")
        program.run("register", sealed["bundle"])
    program.run("deploy", "1")
    yield program, needed
    patch.undo()


def routes(program: Program) -> set[int]:
    """Versions in the published routes."""
    found = json.loads((program.folder / ".fairlead" / "routes.json").read_text())
    return {variant["version"] for route in found["routes"] for variant in route["variants"]}


@pytest.mark.long
def test_a_failing_challenger_is_out_within_five_seconds(deployed: tuple[Program, Path]) -> None:
    from fairlead.runtime.serve import live_workers

    program, needed = deployed
    home = program.folder / ".fairlead"
    up = program.start("up", "--port", "0", "--every", "5")
    try:
        eventually(lambda: "ready:" in (program.folder / "up.log").read_text(), within_s=60, what="up")
        worker = eventually(lambda: live_workers(home), what="a worker")[0]
        asked = table(seed=2)[["loan", *FEATURES]].to_dict("records")
        with Load(lambda: worker.port, "loans", asked) as load:
            program.run("deploy", "2", "--ab", "50%")
            eventually(lambda: len(load.acknowledged) > 400, what="answers by both")
            assert not load.refused
            needed.unlink()
            eventually(lambda: load.refused, what="the first request that fails")
            first = time.monotonic()
            eventually(lambda: 2 not in routes(program), within_s=30, what="routes without the challenger")
            took = time.monotonic() - first
            at_end = eventually(lambda: live_workers(home)[0].generation, what="a generation")
            failed = len(load.refused)
            eventually(lambda: len(load.acknowledged) > 2000, what="answers by the champion alone")
        sys.stdout.write(f"out of the routes {took:.2f} s after the first failed answer; {len(load.refused)} failed\n")
        assert took < 5.0, took
        assert at_end
        # What was on its way when the routes were swapped may have failed still; nothing after.
        assert len(load.refused) - failed <= 8
        assert all(" 500 " in one for one in load.refused), load.refused[:3]
        told = eventually(lambda: _analysis(worker.port, "ended"), what="the end told to whoever waits")
        assert (told["verdict"], told["version"]) == ("fail", 2)
        said = program.json("status")
        ended = [d for d in said["decisions"] if d["action"] == "end_rollout"]
        assert len(ended) == 1
        assert "guardrail on errors" in ended[0]["why"]
        assert program.json("audit")["ok"]
    finally:
        os.kill(up.pid, signal.SIGINT)
        assert up.wait(40) == 0


def _analysis(port: int, state: str) -> dict[str, Any] | None:
    told: dict[str, Any] = httpx.get(f"http://127.0.0.1:{port}/analysis", params={"model": "loans"}).json()["data"]
    return told if told["state"] == state else None
