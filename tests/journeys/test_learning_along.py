"""`fairlead learn`: labels of a served model are learned one by one, versions appear, no kill changes what they are."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.streamed import deployed, rows
from tests.journeys.test_bike_loop import LATER, Rows, label_for, quick_bike, typed
from tests.journeys.test_churn_loop import post, ready_url, split_table

import fairlead
from fairlead.lab.train.streaming.learning import Learning
from fairlead.ops.flow.online_state import Place, loaded

pytest.importorskip("river", reason="river is not installed: pip install 'fairlead[drift]'")
pytestmark = pytest.mark.long
RULES = 'online = "online_tree"\nseal = ["labels:1000"]\n'
KILLS = 5
HELD = 200


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """A tree deployed, asked about every later hour by a real server, and told what came of it."""
    folder = tmp_path_factory.mktemp("served")
    program = Program(folder)
    later = split_table(real_table("bike-sharing-hour.csv"), folder, LATER)
    program.run("init", "--data", "train.csv", "--target", "cnt", "--name", "bike")
    quick_bike(folder)
    text = (folder / "fairlead.toml").read_text().replace("[retrain]\n", f"[retrain]\n{RULES}")
    (folder / "fairlead.toml").write_text(re.sub(r"learners = .*", 'learners = ["online_tree"]', text))
    for verb in ("train", "evaluate", "register", "deploy"):
        program.run(verb)
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(folder / "serve.log"), what="the ready line")
        for start in range(0, len(later), 200):
            part = later[start : start + 200]
            post(f"{url}/predict/bike", [typed(row) for row in part], request=f"r{start}")
            labels = [label_for(row, start, at) for at, row in enumerate(part)]
            assert post(f"{url}/feedback/bike", labels)["accepted"] == len(part)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0
    program.run("collect")
    return folder, later


def copy_of(served: tuple[Path, Rows], folder: Path) -> Program:
    shutil.copytree(served[0], folder)
    return Program(folder)


def state_of(program: Program) -> tuple[Learning, Place]:
    work = fairlead.open(program.folder).workspace
    learning = Learning.load(program.folder / ".fairlead" / "learning" / "bike.state", work.trusted)
    return learning, msgspec.json.decode(learning.cursor, type=Place)


def versions(program: Program) -> list[tuple[int, str]]:
    work = fairlead.open(program.folder).workspace
    return [(row.number, row.bundle) for row in work.state.versions("bike")]


@pytest.mark.timeout(900)
@pytest.mark.verified(
    "engines",
    "Streaming learners",
    how="run",
    by="river: labels of a served model learned as they came; killed 5 times",
)
def test_no_kill_has_a_label_learned_twice_or_not_at_all(served: tuple[Path, Rows], tmp_path: Path) -> None:
    whole, killed = copy_of(served, tmp_path / "whole"), copy_of(served, tmp_path / "killed")
    told = whole.json("learn", "--once", expect=0)
    assert (told["learned"], told["again"], told["waiting"], told["left"]) == (LATER, 0, 0, 0)
    assert told["held"] == HELD + (LATER - HELD) % 100
    assert [one["rows"] for one in told["sealed"]] == [13_903 + rows for rows in (1_000, 2_000, 3_000)]
    assert {one["verdict"] for one in told["sealed"]} <= {"pass", "fail", "inconclusive"}
    assert any(one["verdict"] == "pass" for one in told["sealed"])

    moments, met = random.Random(3), 0
    state = killed.folder / ".fairlead" / "learning" / "bike.state"
    for _ in range(KILLS):
        before = state.stat().st_mtime_ns if state.exists() else 0
        running = killed.start("learn", "--every", "0.1")
        try:
            eventually(lambda was=before: state.exists() and state.stat().st_mtime_ns > was, 120.0, "something written")
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(moments.uniform(0.0, 1.0))
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(20)
        _, place = state_of(killed)
        met += 0 < place.learned < LATER
    assert met >= 2, "the kills came too late to meet it at work"
    killed.json("learn", "--once")

    (learning, place), (again, place_again) = state_of(whole), state_of(killed)
    assert (place_again.learned, place_again.corrected, place_again.again) == (LATER, 0, 0)
    # The chain of hashes names every row that was learned, in order.
    assert (again.digest, again.rows) == (learning.digest, learning.rows)
    assert again.held["fairlead record"].tolist() == learning.held["fairlead record"].tolist()
    assert versions(killed) == versions(whole)
    assert whole.json("audit")["ok"]
    assert killed.json("audit")["ok"]


@pytest.mark.timeout(600)
def test_whom_the_project_forgets_what_was_learned_keeps_no_row_of(served: tuple[Path, Rows], tmp_path: Path) -> None:
    program = copy_of(served, tmp_path / "project")
    program.json("learn", "--once")
    _, later = served
    newest, kept = later[-1]["instant"], later[-2]["instant"]
    learning, _ = state_of(program)
    assert newest in set(learning.held["instant"].astype(str))
    done = program.json("forget", newest)
    assert (done["records"], done["learning_rows"]) == (1, 1)
    learning, _ = state_of(program)
    left = set(learning.held["instant"].astype(str)) | set(learning.recent["instant"].astype(str))
    assert newest not in left
    assert kept in left
    # Its label went with it, so a learner that begins anew does not meet it.
    told = program.json("learn", "--once", "--anew")
    assert told["learned"] == LATER - 1


@pytest.mark.timeout(600)
def test_the_watcher_learns_where_the_project_says_so_and_tries_what_passed(
    served: tuple[Path, Rows], tmp_path: Path
) -> None:
    program = copy_of(served, tmp_path / "project")
    decided: list[dict[str, Any]] = program.json("watch", "--once")["decisions"]
    learning, place = state_of(program)
    assert place.learned == LATER
    assert place.seals == 3
    passed = versions(program)[-1]
    canary = next(one for one in decided if one["action"] == "canary")
    assert (canary["details"]["version"], canary["details"]["bundle"]) == passed
    assert "learned label by label" in canary["why"]
    shown = program.json("inspect", str(passed[1]))
    assert shown["seal"]["verified"]
    assert learning.rows == 13_903 + LATER - len(learning.held)


@pytest.mark.timeout(300)
def test_what_is_told_twice_otherwise_too_early_or_oddly(tmp_path: Path) -> None:
    """Classes, by request; labels that are no news are not learned, those that are odd do not stop it."""
    project = deployed(tmp_path / "loans")
    text = (project / "fairlead.toml").read_text()
    (project / "records.key").write_text("5a" * 32 + "\n")
    assert "[capture]" not in text
    more = '\n[retrain]\nonline = "online_linear"\n[capture]\nencrypt = "file:records.key"\n'
    (project / "fairlead.toml").write_text(text + more)
    program, asked = Program(project), list(rows(30).values())
    server = program.start("serve")
    try:
        url = eventually(lambda: ready_url(project / "serve.log"), what="the ready line")

        def learned(*labels: dict[str, Any]) -> dict[str, int]:
            assert post(f"{url}/feedback/loans", list(labels))["accepted"] == len(labels)
            told = program.json("learn", "--once")
            assert told["paused"] == ""
            return {name: told[name] for name in ("learned", "again", "other", "unknown", "waiting") if told[name]}

        def label(at: int, said: str, **more: str) -> dict[str, Any]:
            return {"request": "r", "row": at, "label": said, **more}

        # The truth is there before the collector has brought the record, as from another machine.
        assert learned(label(0, "yes")) == {"waiting": 1}
        post(f"{url}/predict/loans", asked, request="r")
        assert learned(label(1, "no"), label(2, "no"), label(2, "no")) == {"learned": 3}
        assert learned(label(1, "no"), label(2, "yes")) == {"learned": 1, "again": 1}
        assert learned(label(4, "yes", definition="v2")) == {"other": 1}
        # By key alone, and by key what was told by request.
        assert learned({"key": "L5", "label": "yes"}, {"key": "L2", "label": "yes"}) == {"learned": 1, "again": 1}
        assert learned({"request": "nobody", "row": 0, "label": "no"}) == {"waiting": 1}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0
    work = fairlead.open(project).workspace
    state = (project / ".fairlead" / "learning" / "loans.state").read_bytes()
    assert state.startswith(b"fairlead locked")
    assert b"L1" not in state
    assert b"repaid" not in state
    learning = loaded(work)
    assert learning.held["repaid"].tolist() == ["yes", "no", "no", "yes", "yes"]
    assert learning.held["loan"].tolist() == ["L0", "L1", "L2", "L2", "L5"]
