"""A model that no form takes: sealed as it is, deployed, served over a socket from a process of its own, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually
from tests.journeys.load import Load

CONFIG = """
[model]
name = "loans"
task = "classification"
target = "repaid"
positive = "yes"
id = "loan"
trust = "native"

[data]
train = "loans.csv"

[serve]
port = 0
timeout_s = 5

[gate]
min = false
beats = false
"""
FEATURES = ["amount", "years", "kind"]


def table(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "loan": [f"L{i:05d}" for i in range(rows)],
            "amount": random.lognormal(8, 1, rows).round(2),
            "years": random.integers(1, 40, rows).astype(float),
            "kind": random.choice(["car", "home", "study"], rows),
        }
    )
    score = found["years"] / 10 - np.log(found["amount"]) + (found["kind"] == "home")
    found["repaid"] = np.where(score + random.normal(0, 0.5, rows) > score.median(), "yes", "no")
    return found


def neighbours() -> Any:
    """Neighbours behind an encoder, unfitted: nothing that could be compiled."""
    from sklearn.compose import make_column_transformer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts = make_column_transformer(
        (StandardScaler(), ["amount", "years"]), (OneHotEncoder(handle_unknown="ignore"), ["kind"])
    )
    return make_pipeline(parts, KNeighborsClassifier(15))


@pytest.fixture(scope="module")
def fitted() -> Any:
    """The pipeline, fitted."""
    rows = table()
    return neighbours().fit(rows[FEATURES], rows["repaid"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, fitted: Any) -> tuple[Program, dict[str, Any]]:
    """The model sealed from a joblib file, judged, registered and deployed."""
    import joblib

    program = Program(tmp_path_factory.mktemp("native"))
    (program.folder / "fairlead.toml").write_text(CONFIG)
    table().to_csv(program.folder / "loans.csv", index=False)
    table(seed=1).to_csv(program.folder / "later.csv", index=False)
    joblib.dump(fitted, program.folder / "model.joblib")
    sealed = program.json("bundle", "model.joblib", "--trust", "--sample", "loans.csv")
    program.json("evaluate", sealed["bundle"], "--data", "later.csv")
    program.run("register", sealed["bundle"])
    program.run("deploy")
    return program, sealed


@contextlib.contextmanager
def serving(program: Program, *arguments: str, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server's URL and its process."""
    server = program.start("serve", "--port", str(port or 0), *arguments)
    log = program.folder / "serve.log"
    try:
        eventually(lambda: "ready:" in log.read_text() or server.poll() is not None, 60, "the ready line")
        found = re.search(r"ready: (\S+)", log.read_text())
        assert found, log.read_text()
        yield found[1], server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def ask(url: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    body = json.dumps(rows).encode()
    asked = urllib.request.Request(f"{url}/predict/loans", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as reply:
        found: list[dict[str, Any]] = json.load(reply)["predictions"]
    return found


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def natives(program: Program) -> list[int]:
    """Pids of the processes of native models of this program's workers."""
    from fairlead.runtime.serve import live_workers

    workers = [worker.pid for worker in live_workers(program.folder / ".fairlead")]
    return [child for worker in workers for child in children(worker) if b"native/__main__.py" in words(child)]


def words(pid: int) -> bytes:
    """The command line of a process; nothing of one that has gone since it was listed."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_the_verb_says_what_it_did_and_why(deployed: tuple[Program, dict[str, Any]]) -> None:
    program, sealed = deployed
    assert sealed["form"] == "native"
    assert sealed["parity"]["flipped"] == 0
    assert sealed["parity"]["max_difference"] <= 1e-12
    assert "KNeighborsClassifier" in sealed["why"]
    said = program.run("bundle", "model.joblib", "--trust-pickle", "--sample", "loans.csv", "--target", "repaid").stdout
    assert "opened the pickle, which ran its code" in said
    assert "runs natively: 0 of" in said
    assert "why this form: it runs its own code, in a process of its own, because" in said
    assert "roc_auc" in said
    shown = program.json("inspect", sealed["bundle"])
    assert shown["runtime"].startswith("native 3.")


def test_served_from_a_process_of_its_own_it_answers_as_the_library_does(
    deployed: tuple[Program, dict[str, Any]], fitted: Any
) -> None:
    program, _ = deployed
    rows = table(200, seed=2)
    rows.loc[:5, "kind"] = "boat"
    with serving(program) as (url, _):
        said = ask(url, rows[FEATURES].to_dict("records"))
        found = np.array([[one["probabilities"][c] for c in fitted.classes_] for one in said])
        assert np.array_equal(found, fitted.predict_proba(rows[FEATURES]))
        assert [one["label"] for one in said] == fitted.predict(rows[FEATURES]).tolist()
        (native,) = set(natives(program))
        from fairlead.runtime.serve import live_workers

        for worker in live_workers(program.folder / ".fairlead"):
            maps = Path(f"/proc/{worker.pid}/maps").read_text()
            assert not [name for name in ("sklearn", "pandas", "scipy", "mlflow") if f"/{name}/" in maps]
        assert "/sklearn/" in Path(f"/proc/{native}/maps").read_text()
    eventually(lambda: not Path(f"/proc/{native}").exists(), what="the model's process to end with its server")


def test_killed_under_load_the_server_stays_and_all_that_is_answered_is_right(
    deployed: tuple[Program, dict[str, Any]], fitted: Any
) -> None:
    program, _ = deployed
    rows = table(50, seed=3)[FEATURES]
    expected = {tuple(row): p for row, p in zip(rows.itertuples(index=False), fitted.predict_proba(rows), strict=True)}
    listed = rows.to_dict("records")
    with serving(program) as (url, server):
        port = int(url.rpartition(":")[2])
        with Load(lambda: port, "loans", listed, connections=4) as load:
            for kill in range(3):
                already = len(load.acknowledged)
                eventually(lambda already=already: len(load.acknowledged) > already + 20, 60, "answers")
                (native,) = natives(program)
                refused = len(load.refused)
                os.kill(native, signal.SIGKILL)
                eventually(lambda refused=refused: len(load.refused) > refused, 30, "a refusal")
                eventually(lambda native=native: natives(program) not in ([], [native]), 60, f"restart {kill}")
            already = len(load.acknowledged)
            eventually(lambda: len(load.acknowledged) > already + 20, 60, "answers after the last restart")
        assert server.poll() is None
        assert not load.lost
        assert load.refused
        assert all(re.search(r": (500|503) ", line) for line in load.refused), load.refused[:5]
        assert not any("/" in line.partition("b'")[2] for line in load.refused)
        for request, answer in load.acknowledged.items():
            number, count = map(int, request.rsplit("-", 2)[1:])
            row = tuple(listed[(number * 7919 + count + 1) % len(listed)].values())
            assert [answer["probabilities"][c] for c in fitted.classes_] == expected[row].tolist()


def test_a_server_that_does_not_trust_native_models_refuses_it(
    deployed: tuple[Program, dict[str, Any]],
) -> None:
    program, sealed = deployed
    server = program.start("serve", "--bundle", sealed["path"], "--port", "0")
    log = program.folder / "serve.log"
    try:
        assert server.wait(60) != 0
        assert "not trusted here" in log.read_text()
        assert "--trust-native" in log.read_text()
        assert "ready:" not in log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
    with serving(program, "--bundle", sealed["path"], "--trust-native") as (url, _):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(url, [{"amount": "much"}])
        assert refused.value.code == 400
        assert ask(url, table(3, seed=4)[FEATURES].to_dict("records"))
