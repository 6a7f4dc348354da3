"""Two control planes with one PostgreSQL: one leads, the other takes over in seconds, a frozen one writes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import environment, eventually
from tests.ports import postgres_server

from fairlead.ops.state.backends.port import backend_of
from fairlead.ops.state.leading import Leader

pytestmark = pytest.mark.long

SHARED = ("bundles", "attestations", "keys", "records", "labels", "reports", "tables")
TAKEN_OVER_S = 10.0


class Plane:
    """`fairlead` with a home of its own, as on a machine of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.environment = {**environment(), "FAIRLEAD_HOME": str(home)}
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *words: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def json(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run(*words, "--json"))
        return answer

    def watch(self) -> subprocess.Popen[str]:
        """Start its watcher."""
        return self.start("watch", "--every", "0.3")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a verb that goes on until stopped; what it says goes to `log`."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fairlead", *words],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def planes(tmp_path: Path) -> Iterator[tuple[Plane, Plane, postgres_server.Server]]:
    """A deployed project, two homes that share what is read, and a database that both know by fairlead.toml."""
    dice = random.Random(7)
    rows = [(dice.gauss(0, 1), dice.gauss(0, 1)) for _ in range(400)]
    lines = [f"{a:.4f},{b:.4f},{'yes' if a + b + dice.gauss(0, 0.3) > 0 else 'no'}" for a, b in rows]
    (tmp_path / "train.csv").write_text("a,b,bought\n" + "\n".join(lines) + "\n")
    one, two = Plane(tmp_path, tmp_path / "one"), Plane(tmp_path, tmp_path / "two")
    with postgres_server.running() as server:
        try:
            server.sql("CREATE ROLE app LOGIN PASSWORD 'geheim-7'")
            server.sql("CREATE DATABASE fairlead OWNER app")
            one.run("init", "--data", "train.csv", "--target", "bought", "--name", "shop")
            address = f"postgresql://app@127.0.0.1:{server.port}/fairlead"
            settings = (tmp_path / "fairlead.toml").read_text()
            settings += f'\n[state]\nurl = "{address}"\npassword = "env:STATE_PASSWORD"\nlease_s = 4\n'
            (tmp_path / "fairlead.toml").write_text(settings)
            for plane in (one, two):
                plane.environment |= {
                    "STATE_PASSWORD": "geheim-7", "FAIRLEAD_TRAIN__TRIALS": "2",
                    "FAIRLEAD_TRAIN__LEARNERS": '["logistic"]',
                }  # fmt: skip
            one.run("train")
            one.run("evaluate")
            one.run("register")
            one.run("deploy", "1")
            two.home.mkdir()
            for name in SHARED:
                (two.home / name).symlink_to(one.home / name)
            yield one, two, server
        finally:
            one.end()
            two.end()


def leader(plane: Plane) -> dict[str, Any]:
    found = plane.json("status")["leader"]
    return found if found and found["leads"] else {"holder": "", "epoch": 0}


def pid_of(lease: dict[str, Any]) -> int:
    return int(lease["holder"].split(":")[1]) if lease["holder"] else 0


@pytest.mark.verified(
    "state", "two control planes on PostgreSQL", how="run",
    by="Debian's PostgreSQL 15; leader killed with -9 and, another time, stopped and woken",
)  # fmt: skip
def test_the_other_takes_over_and_a_frozen_leader_writes_nothing(
    planes: tuple[Plane, Plane, postgres_server.Server],
) -> None:
    one, two, server = planes
    assert not (one.home / "state.db").exists()
    assert "geheim-7" not in one.run("config")
    first = one.watch()
    eventually(lambda: pid_of(leader(one)) == first.pid, 30, "the first one leading")
    second = two.watch()
    # A person is heard wherever they are, whoever leads.
    two.run("pin", "--why", "looked at by hand")
    assert one.json("status")["models"][0]["hold"] == "pinned"
    two.run("release")
    # kill -9
    first.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    lease = eventually(lambda: read(server)[0] == second.pid and read(server), TAKEN_OVER_S, "the second one leading")
    took = time.monotonic() - killed
    print(f"taken over in {took:.1f} s")
    assert took < TAKEN_OVER_S
    assert lease[1] == 2
    eventually(lambda: (two.home / "routes.json").exists(), 20, "routes published by the second")
    # SIGSTOP for longer than the lease
    third = one.watch()
    second.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    eventually(lambda: read(server)[0] == third.pid, TAKEN_OVER_S, "the third one leading")
    print(f"taken over from a frozen one in {time.monotonic() - stopped:.1f} s")
    events = one.json("audit")["events"]
    before = two.log.read_text()
    second.send_signal(signal.SIGCONT)
    eventually(lambda: "no longer leads" in two.log.read_text()[len(before) :], 20, "the woken one stepping down")
    assert read(server)[0] == third.pid, "and it does not come back"
    answer = one.json("audit")
    assert answer["ok"]
    assert answer["events"] == events
    assert "led by" in one.run("status")
    said = two.run("watch", "--once", expect=1)
    assert "leads since" in said
    # Stopped in order, a leader leaves at once what it held.
    third.send_signal(signal.SIGTERM)
    left = time.monotonic()
    third.wait(30)
    eventually(lambda: read(server)[0] == second.pid, 4.0, "the lease given back")
    print(f"handed over in {time.monotonic() - left:.1f} s")
    # `up` beside a leader serves and collects, and leaves watching and deploying to it.
    everything = one.start("up", "--port", "0", "--every", "0.5")
    eventually(lambda: "ready: shop at" in one.log.read_text(), 60, "the ready line of up")
    assert "stands by: control plane" in one.log.read_text()
    assert read(server)[0] == second.pid
    everything.send_signal(signal.SIGINT)
    assert everything.wait(60) == 0
    assert "Traceback" not in one.log.read_text() + two.log.read_text()


@pytest.mark.verified(
    "state", "a frozen leader and MLflow", how="run",
    by="Debian's PostgreSQL 15, MLflow's SQLite store; `register --sync` stopped between two writes and woken",
)  # fmt: skip
def test_what_a_frozen_leader_was_writing_to_mlflow_ends_where_it_was(
    planes: tuple[Plane, Plane, postgres_server.Server], tmp_path: Path
) -> None:
    one, two, server = planes
    mlflow = tmp_path / "shared-mlflow.db"
    shutil.copy(one.home / "mlflow.db", mlflow)  # the tables, and what the home's own registry holds
    with closing(sqlite3.connect(mlflow)) as database:
        for table in ("registered_model_aliases", "model_version_tags", "model_versions", "registered_models"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE experiments SET name = 'of before' WHERE name = 'shop'")
        database.commit()
    for plane in (one, two):
        plane.environment["FAIRLEAD_REGISTRY__MLFLOW"] = f"sqlite:///{mlflow}"
    password = "geheim-7"
    address = f"postgresql://app@127.0.0.1:{server.port}/fairlead"
    first, second = (Leader(backend_of(address, password=password, holder=name), name, 2.0, print) for name in "ab")
    try:
        assert first.seek()
        term = first.epoch()
        one.environment["FAIRLEAD_TERM"] = str(term)
        syncing = one.start("register", "--sync")
        with closing(sqlite3.connect(mlflow, timeout=30)) as database:
            begun = "SELECT count(*) FROM experiments WHERE name = 'shop'"
            eventually(lambda: first.seek() and database.execute(begun).fetchone()[0], 60, "its first write")
            syncing.send_signal(signal.SIGSTOP)
            assert syncing.poll() is None, "it was done before it could be stopped"
        eventually(second.seek, TAKEN_OVER_S, "the second one leading")
        assert second.epoch() == term + 1
        before = contents(mlflow)
        syncing.send_signal(signal.SIGCONT)
        assert syncing.wait(60) == 1
        assert "no longer leads" in one.log.read_text()
        after = contents(mlflow)
        assert after["runs"] <= before["runs"] + 1, "the call that it was in, which MLflow cannot refuse, and no other"
        apart = {table for table in before if before[table] != after[table]}
        assert apart <= {"runs", "tags"} or apart <= {"metrics", "params", "tags", "latest_metrics"}, apart
        assert not any(after[table] for table in ("registered_models", "model_versions", "registered_model_aliases"))
        one.run("register", "--sync", expect=1)
        assert contents(mlflow) == after, "nor does another try of that term"
        two.environment["FAIRLEAD_TERM"] = str(term + 1)
        with second:  # renews its lease
            assert two.json("register", "--sync")["warnings"] == []
        with closing(sqlite3.connect(mlflow)) as database:
            assert database.execute("SELECT count(*) FROM model_versions").fetchone() == (1,)
            assert database.execute("SELECT count(*) FROM registered_model_aliases").fetchone()[0] >= 1
    finally:
        for leader_here in (first, second):
            leader_here.close()


def contents(path: Path) -> dict[str, int]:
    """Rows of each table."""
    with closing(sqlite3.connect(path, timeout=30)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def read(server: postgres_server.Server) -> tuple[int, int]:
    """Process id of who leads now, 0 for nobody, and the epoch."""
    now = "extract(epoch FROM clock_timestamp())"
    found = server.sql(f"SELECT holder, epoch FROM leases WHERE expires > {now}", "fairlead")
    return (int(str(found[0][0]).split(":")[1]), int(str(found[0][1]))) if found else (0, 0)
