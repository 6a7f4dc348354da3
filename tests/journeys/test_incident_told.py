"""A sensor of one shop breaks: one incident with its cause and its first minute, told once, looked after, cleared.

Real server, collector and watcher, in event time; told through a signed webhook and a real mailbox.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conftest import Program, eventually
from tests.journeys.test_churn_loop import post, ready_url
from tests.ports.alert_receivers import PASSWORD, Hook, Mailbox

import fairlead
from fairlead.ops.alerts.webhook_channel import verified
from fairlead.ops.flow.importance import importance_of

pytestmark = pytest.mark.long

DAYS, A_DAY = 120, 48
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
BROKEN = BEGIN + timedelta(days=DAYS + 2, hours=10)
MENDED = BEGIN + timedelta(days=DAYS + 4)
CONFIG = """
[model]
name = "till"
task = "classification"
target = "returned"
positive = "yes"
time = "at"
exclude = ["shop"]

[data]
train = "train.csv"

[train]
learners = ["logistic"]
trials = 1
folds = 3

[evaluate]
explanations = false
robustness = false

[serve]
port = 0

[monitor]
window = "1d"
label_delay = "60d"

[rollout]
sticky_by = "shop"

[alerts]
to = ["webhook+http://{hook}/fairlead?secret=env:HOOK_SECRET", "smtp://127.0.0.1:{mail}?{mail_of}"]
"""
MAIL_OF = "tls=never&from=fairlead@example.org&to=team@example.org"
SHOPS = ("north", "south", "east", "west")


def rows_of(first: int, last: int, seed: int) -> list[dict[str, Any]]:
    """Rows of some days, half an hour apart: what a till knows of a sale, and whether it came back."""
    rng = random.Random(seed)
    found = []
    for day in range(first, last):
        for slot in range(A_DAY):
            weight, price = rng.gauss(2.0, 0.5), rng.gauss(40.0, 9.0)
            chance = 1.0 / (1.0 + math.exp(-(1.5 * (weight - 2.0) + 0.12 * (price - 40.0))))
            at = BEGIN + timedelta(days=day, minutes=30 * slot)
            items = rng.randint(1, 9) if rng.random() > 0.02 else None
            found.append(
                {"at": at.isoformat(), "shop": SHOPS[slot % 4], "weight": round(weight, 3), "price": round(price, 2),
                 "items": items, "returned": "yes" if rng.random() < chance else "no"}
            )  # fmt: skip
    return found


def broken(row: dict[str, Any]) -> dict[str, Any]:
    """The scale of the northern shop tells grams, and its items are not read at all."""
    at = datetime.fromisoformat(row["at"])
    if row["shop"] != "north" or not BROKEN <= at < MENDED:
        return row
    return {**row, "weight": row["weight"] * 1000.0, "items": None}


@contextlib.contextmanager
def running(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Processes of our own, ended at the end."""
    try:
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait(30)


class Till(NamedTuple):
    """A project that answers and is watched. later: rows of the days after the history, as they were meant to be."""

    program: Program
    url: str
    hook: Hook
    mailbox: Mailbox
    later: list[dict[str, Any]]


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    program = Program(tmp_path_factory.mktemp("till"))
    with Hook() as hook, Mailbox() as mailbox, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOOK_SECRET", PASSWORD)
        text = CONFIG.format(hook=hook.place, mail=mailbox.port, mail_of=MAIL_OF)
        (program.folder / "fairlead.toml").write_text(text)
        history = rows_of(0, DAYS, 1)
        with (program.folder / "train.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, history[0])
            writer.writeheader()
            writer.writerows(history)
        made = fairlead.open(program.folder)
        made.train()
        made.evaluate()
        made.register()
        made.deploy()
        server = program.start("serve", "--port", "0")
        collector = program.start("collect", "--follow", "--every", "0.2")
        watcher = program.start("watch", "--every", "0.3")
        with running(server, collector, watcher):
            url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
            yield Till(program, url, hook, mailbox, rows_of(DAYS, DAYS + 16, 2))


def ask(url: str, rows: list[dict[str, Any]]) -> None:
    """Let the server answer for rows, a day a request."""
    for start in range(0, len(rows), A_DAY):
        post(
            f"{url}/predict/till",
            [{k: v for k, v in row.items() if k != "returned"} for row in rows[start : start + A_DAY]],
        )


def test_one_shop_breaks_and_is_told_of_once(till: Till) -> None:
    program, url, hook, mailbox, meant = till
    later = [broken(row) for row in meant[: 8 * A_DAY]]
    ask(url, [row for row in later if datetime.fromisoformat(row["at"]) < MENDED])
    eventually(lambda: hook.got, within_s=60, what="the first message")
    eventually(lambda: mailbox.got, within_s=60, what="the first mail")
    (incident,) = program.json("incidents")["incidents"]
    assert incident["state"] == "open"
    assert set(incident["columns"]) >= {"weight", "items"}
    assert datetime.fromtimestamp(incident["first"], UTC) == BROKEN
    causes = [(cause["kind"], cause["name"]) for cause in incident["causes"]]
    assert ("source", "shop north") in causes, causes
    assert incident["cost"]["value"] > 0
    acknowledged = program.json("ack", "1", "--why", "the till is being mended")
    assert acknowledged["state"] == "acknowledged"
    program.run("comment", "1", "a new scale comes at noon")
    ask(url, [row for row in later if datetime.fromisoformat(row["at"]) >= MENDED])
    eventually(lambda: program.json("incidents")["incidents"] == [], within_s=60, what="its end")
    eventually(lambda: len(hook.got) == 2 and len(mailbox.got) == 2, within_s=60, what="the all-clear")
    messages = [json.loads(body) for _, _, body in hook.got]
    assert [m["kind"] for m in messages] == ["notice", "all_clear"], "one incident, told once and cleared once"
    assert all(verified(PASSWORD, headers, body, time.time()) for _, headers, body in hook.got)
    assert "shop north" in messages[0]["body"]
    assert "is over" in str(mailbox.got[1]["subject"])
    assert "image/png" in [part.get_content_type() for part in mailbox.got[0].walk()], "the figure before and since"
    story = program.json("incident", "1")
    kinds = [line["kind"] for line in story["timeline"]]
    assert kinds[0] == "begun"
    assert {"joined", "alert", "person", "ended", "resolved"} <= set(kinds)
    assert story["assignee"]
    audited = [event["action"] for event in program.json("audit")["newest"]]
    assert {"incident: acknowledged", "incident: commented"} <= set(audited)
    made = fairlead.open(program.folder).workspace
    shares = importance_of(made, made.state.windows("till")[-1].bundle)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares["weight"], shares["price"]) > 10 * shares["items"], (
        "what returns do not depend on carries nothing"
    )
    kept = Path(program.folder / ".fairlead" / "state.db").read_bytes()
    assert PASSWORD.encode() not in kept


def dearer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """After a rise of all prices."""
    return [{**row, "price": round(row["price"] * 1.5, 2)} for row in rows]


def days(till: Till, first: int, last: int) -> list[dict[str, Any]]:
    return till.later[first * A_DAY : last * A_DAY]


def test_a_level_that_is_expected_is_usual_until_it_is_taken_back(till: Till) -> None:
    program = till.program
    ask(till.url, dearer(days(till, 8, 10)))
    (incident,) = eventually(lambda: program.json("incidents")["incidents"], within_s=60, what="the rise")
    number = str(incident["number"])
    assert "price" in incident["columns"]
    before = program.json("inspect")["bundle"]
    answer = program.json("expected", number, "--why", "all prices rose on May 12")
    assert "price" in answer["columns"]
    assert answer["state"] == "expected"
    ask(till.url, dearer(days(till, 10, 13)))
    eventually(lambda: program.json("incidents")["incidents"] == [], within_s=60, what="its end")
    eventually(
        lambda: "marked as expected" in json.loads(till.hook.got[-1][2])["body"], within_s=60, what="its end, told"
    )
    told = len(till.hook.got)
    assert program.json("inspect")["bundle"] == before
    assert program.json("inspect")["seal"]["verified"], "the reference that was sealed stays as it was"
    assert "expected" in [a["kind"] for a in program.json("inspect")["attestations"]]
    program.run("expected", number, "--undo", "--why", "a mistake", expect=0)
    # A day alone, so that it is told while it lasts.
    ask(till.url, dearer(days(till, 13, 14)))

    def since() -> list[dict[str, Any]]:
        return [i for i in program.json("incidents", "--all")["incidents"] if i["number"] > incident["number"]]

    (again,) = eventually(since, within_s=60, what="the rise, found again")
    assert "price" in again["columns"]
    eventually(lambda: len(till.hook.got) > told, within_s=60, what="a message about it")
    audited = [event["action"] for event in program.json("audit")["newest"]]
    assert {"incident: marked as expected", "incident: no longer expected"} <= set(audited)
    assert program.json("audit")["ok"]
