"""A home that answers is backed up, destroyed and brought back: what was lost, how long it took, what it answers."""

from __future__ import annotations

import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import environment, eventually
from tests.journeys.load import Load
from tests.ports import postgres_server

pytestmark = pytest.mark.long

PASSPHRASE = "correct horse battery"
READY = re.compile(r"ready: shop at http://127.0.0.1:(\d+)/")


class Shop:
    """A small project with `up` running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **environment(), "PASSPHRASE": PASSPHRASE, "FAIRLEAD_TRAIN__TRIALS": "2",
            "FAIRLEAD_TRAIN__LEARNERS": '["logistic"]',
        }  # fmt: skip
        self.process: subprocess.Popen[str] | None = None
        dice = random.Random(7)
        self.rows = [{"a": round(dice.gauss(0, 1), 4), "b": round(dice.gauss(0, 1), 4)} for _ in range(400)]
        lines = [f"{r['a']},{r['b']},{'yes' if r['a'] + r['b'] + dice.gauss(0, 0.3) > 0 else 'no'}" for r in self.rows]
        (folder / "train.csv").write_text("a,b,bought\n" + "\n".join(lines) + "\n")
        self.run("init", "--data", "train.csv", "--target", "bought", "--name", "shop")

    @property
    def home(self) -> Path:
        return self.folder / ".fairlead"

    def run(self, *words: str, expect: int = 0, home: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *words], cwd=self.folder, capture_output=True, text=True, timeout=240,
            env=self.environment | ({"FAIRLEAD_HOME": str(home)} if home else {}), check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout + ("" if "--json" in words else done.stderr)

    def json(self, *words: str, home: Path | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run(*words, "--json", home=home))
        return answer

    def up(self) -> None:
        log = self.folder / "up.log"
        log.unlink(missing_ok=True)
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fairlead", "up", "--port", "0", "--every", "0.5"], cwd=self.folder,
                stdout=out, stderr=out, text=True, env=self.environment, start_new_session=True,
            )  # fmt: skip
        eventually(lambda: READY.search(log.read_text()), 90, "the ready line")

    def port(self) -> int:
        return int(READY.findall((self.folder / "up.log").read_text())[-1])

    def kill(self) -> None:
        """kill -9 for all of it, as when a machine is gone."""
        if self.process is not None:
            from fairlead.ops.flow.lifeline import end_all

            status = self.home / "run" / "up.json"
            token = json.loads(status.read_text()).get("token", "") if status.exists() else ""
            self.process.kill()
            self.process.wait()
            if token:
                end_all(token, 0.0)
            eventually(lambda: not living(self.folder), 20, "all processes gone")
            self.process = None

    def answers(self) -> list[Any]:
        import httpx

        asked = httpx.post(f"http://127.0.0.1:{self.port()}/predict/shop", json=self.rows[:50], timeout=20)
        found: list[Any] = asked.json()["predictions"]
        return found


def living(folder: Path) -> list[int]:
    """Processes whose working folder this is, this one excepted; they are ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    try:
        yield made
    finally:
        made.kill()
        living(tmp_path)


@pytest.mark.verified(
    "keep", "backup and restore", how="run",
    by="a home under load backed up to a folder, destroyed, brought back; records counted",
)  # fmt: skip
def test_a_destroyed_home_comes_back_with_what_was_answered_before_its_backup(shop: Shop, tmp_path: Path) -> None:
    from fairlead.runtime.capture import Records, reconcile

    shop.up()
    before = shop.answers()
    words = ("backup", str(tmp_path / "kept"), "--passphrase", "env:PASSPHRASE")
    assert "never written in the clear" in shop.run("backup", str(tmp_path / "kept"), expect=2)
    with Load(shop.port, "shop", shop.rows) as load:
        eventually(lambda: len(load.acknowledged) > 500, 30)
        first = shop.json(*words)
        known = set(load.acknowledged)
        second = shop.json(*words, "--verify")
        eventually(lambda: len(load.acknowledged) > len(known) + 200, 30)
        load.stop()
        assert not load.refused
        assert load.lost == 0
    shop.kill()
    destroyed, at = time.time(), time.monotonic()
    shutil.rmtree(shop.home)
    back = shop.json("restore", str(tmp_path / "kept"), "--passphrase", "env:PASSPHRASE")
    shop.up()
    assert shop.answers() == before
    rto = time.monotonic() - at
    shop.run("collect")
    found = collections.Counter(Records(shop.home, "shop").between(None, None).column("request").to_pylist())
    ours = {request: count for request, count in found.items() if request.startswith("load-")}
    assert known <= set(ours), "all that was answered before the backup began is there"
    assert set(ours.values()) == {1}, "and once"
    lost = set(load.acknowledged) - set(ours)
    assert reconcile(shop.home).ok
    assert second["stored"] < first["stored"] + 3_000_000
    assert second["verified"]["answers"] == 1
    assert back["answers"] == 1
    assert shop.json("audit")["ok"]
    print(
        f"\nfirst {first['stored']:,} bytes in {first['seconds']} s, "
        f"second {second['stored']:,} in {second['seconds']} s"
        f"\nRPO: {destroyed - second['at']:.1f} s since the backup, {len(lost)} of {len(load.acknowledged)} answers "
        f"lost, {len(known)} from before it all there"
        f"\nRTO: {rto:.1f} s from a destroyed home to the same answers, of which restoring {back['seconds']} s"
    )


@pytest.mark.verified(
    "keep", "a second home that follows", how="run",
    by="kept up to date from a folder, promoted after kill -9; the first refused from then on",
)  # fmt: skip
def test_a_second_home_follows_and_takes_over(shop: Shop, tmp_path: Path) -> None:
    shop.up()
    before = shop.answers()
    two, kept = tmp_path / "two", str(tmp_path / "kept")
    lock = ("--passphrase", "env:PASSPHRASE")
    shop.json("backup", kept, *lock)
    follower = subprocess.Popen(
        [sys.executable, "-m", "fairlead", "restore", kept, *lock, "--into", str(two), "--follow", "--every", "0.5"],
        cwd=shop.folder, stdout=(tmp_path / "follow.log").open("w"), stderr=subprocess.STDOUT, env=shop.environment,
    )  # fmt: skip
    try:
        eventually(lambda: (two / "following.json").exists(), 30)
        assert "is not live" in shop.run("status", expect=2, home=two)
        shop.run("pin", "--why", "looked at by hand")
        last = shop.json("backup", kept, *lock)["snapshot"]
        eventually(lambda: last in (two / "following.json").read_text(), 30, "the follower up to date")
    finally:
        follower.terminate()
        follower.wait(20)
    shop.kill()
    began = time.monotonic()
    said = shop.run("restore", kept, *lock, "--promote", home=two)
    print(f"\n{said}promoted in {time.monotonic() - began:.1f} s")
    assert "is the live one" in said
    assert shop.json("status", home=two)["models"][0]["hold"] == "pinned"
    refused = shop.run("backup", kept, *lock, expect=3)
    assert "another home took over" in refused
    shop.environment["FAIRLEAD_HOME"] = str(two)
    shop.up()
    assert shop.answers() == before
    assert shop.json("backup", kept, *lock)["epoch"] == 2


@pytest.mark.verified(
    "keep", "backup of PostgreSQL", how="run",
    by="state copied from Debian's PostgreSQL 15, brought back into SQLite and into an empty database",
)  # fmt: skip
def test_state_comes_from_one_database_and_goes_into_another(shop: Shop, tmp_path: Path) -> None:
    for verb in ("train", "evaluate", "register", "deploy"):
        shop.run(verb)
    kept, lock = str(tmp_path / "kept"), ("--passphrase", "env:PASSPHRASE")
    shop.json("backup", kept, *lock)
    events = shop.json("audit")["events"]
    with postgres_server.running() as server:
        shop.environment["FAIRLEAD_STATE__URL"] = server.database()
        back = shop.json("restore", kept, *lock, "--into", str(tmp_path / "two"), home=tmp_path / "two")
        assert back["rows"] > 4
        assert not (tmp_path / "two" / "state.db").exists()
        said = shop.json("audit", home=tmp_path / "two")
        assert (said["ok"], said["events"]) == (True, events), (
            "the one of the backup came after it, the one of the restore is new"
        )
        assert shop.json("status", home=tmp_path / "two")["models"][0]["deployed"]
        again = shop.run("restore", kept, *lock, home=tmp_path / "three", expect=1)
        assert "holds a state already" in again
        assert not (tmp_path / "three").exists()
        shop.json("backup", str(tmp_path / "kept2"), *lock, home=tmp_path / "two")
    del shop.environment["FAIRLEAD_STATE__URL"]
    shop.json("restore", str(tmp_path / "kept2"), *lock, home=tmp_path / "four")
    assert (tmp_path / "four" / "state.db").exists()
    assert shop.json("status", home=tmp_path / "four")["models"][0]["deployed"]
    assert shop.json("audit", home=tmp_path / "four")["ok"]
