"""One customer forgotten while server, collector and watcher run and are killed, everything encrypted at rest."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import Any

import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.load import Load
from tests.journeys.test_churn_loop import quick_settings, split_table, typed
from tests.journeys.test_kills import living, more_answers, server_port, start_up, stop_up

from fairlead.runtime.capture import Records

LINE = "\n[capture]\nencrypt = 'file:records.key'\nredact = ['customerID']\n"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[dict[str, Any]]]:
    """A project that encrypts and redacts, deployed, with `up` running, and rows of a few customers."""
    program = Program(tmp_path_factory.mktemp("forget"))
    later = split_table(real_table("telco-churn.csv"), program.folder, 2043)
    program.run("init", "--data", "train.csv", "--target", "Churn", "--name", "churn")
    quick_settings(program.folder)
    settings = program.folder / "fairlead.toml"
    settings.write_text(without_capture(settings.read_text()) + LINE)
    for verb in ("train", "evaluate", "register"):
        program.run(verb)
    program.run("deploy", "1")
    rows = [typed(row) for row in later[:8]]
    return program, rows


def without_capture(text: str) -> str:
    """The settings without their table [capture]."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[capture]"
        if not inside:
            kept.append(line)
    return "\n".join(kept)


def keys_of(program: Program) -> list[str]:
    table = Records(program.folder / ".fairlead", "churn").between(None, None)
    return [str(key) for key in table.column("key").to_pylist()]


def at_rest(program: Program) -> bytes:
    home = program.folder / ".fairlead"
    found = b""
    for kind in ("spool", "records", "labels", "forget"):
        found += b"".join(path.read_bytes() for path in (home / kind).rglob("*") if path.is_file())
    return found


def test_a_key_that_cannot_be_had_refuses_to_start(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, _ = deployed
    (program.folder / "records.key").unlink(missing_ok=True)
    refused = program.run("serve", "--port", "0", expect=2)
    assert "capture.encrypt" in refused.stderr
    assert "No such file" in refused.stderr


def test_a_customer_is_forgotten_while_all_runs_and_is_killed(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, rows = deployed
    (program.folder / "records.key").write_text(os.urandom(32).hex() + "\n")
    someone = rows[0]["customerID"]
    process = start_up(program)
    chance = random.Random(4)
    try:
        with Load(lambda: server_port(program), "churn", rows) as load:
            more_answers(load, 200)
        send(server_port(program), [{"key": row["customerID"], "comment": "called us"} for row in rows])
        with Load(lambda: server_port(program), "churn", rows[1:]) as others:
            for _ in range(4):
                program.start("forget", someone, "--wait", "5")
                more_answers(others, 20)
                os.kill(living(program, chance.choice(("worker", "collector", "watcher"))), signal.SIGKILL)
            done = program.json("forget", someone, "--wait", "60")
            more_answers(others, 50)
        assert done["done"]
        assert [table["rows"] for table in done["tables"]] == []
        eventually(lambda: tombstones(program), what="a tombstone")
    finally:
        stop_up(process)
    program.run("collect")
    counts = {key: keys_of(program).count(key) for key in set(keys_of(program))}
    assert len(counts) == len(rows) - 1, "one of them has gone, and they were redacted"
    table = Records(program.folder / ".fairlead", "churn").between(None, None)
    requests = set(table.column("request").to_pylist())
    assert 0 < sum(request not in requests for request in load.acknowledged) < len(load.acknowledged) / 2
    assert all(request in requests for request in others.acknowledged)
    assert Records(program.folder / ".fairlead", "churn").labels().num_rows == len(rows) - 1
    doctor = program.json("doctor")
    assert doctor["reconciliation"]["ok"]
    assert doctor["reconciliation"]["forgotten"] == sum(event["details"]["records"] for event in tombstones(program))
    assert program.json("audit")["ok"]
    assert someone not in json.dumps(program.json("audit"))
    raw = at_rest(program)
    for text in (someone, rows[1]["customerID"], next(iter(others.acknowledged)), "champion"):
        assert text.encode() not in raw


def tombstones(program: Program) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = program.json("audit")["newest"]
    return [event for event in events if event["action"] == "records.forgotten"]


def send(port: int, given: list[dict[str, Any]]) -> None:
    import httpx

    reply = httpx.post(f"http://127.0.0.1:{port}/feedback", json=given)
    assert reply.json()["accepted"] == len(given)


def test_training_tables_that_hold_such_rows_are_named(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, _ = deployed
    first = (program.folder / "train.csv").read_text().splitlines()[1].split(",")[0]
    answer = program.json("forget", first)
    # All rows are kept for `reproduce`, and those for judging beside them.
    assert answer["tables"]
    assert {table["rows"] for table in answer["tables"]} == {1}
    assert answer["records"] == 0
    assert "profiles" in answer["stays"]


def test_a_column_that_no_record_has_is_refused(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, _ = deployed
    refused = program.run("forget", "x", "--column", "Contrat", expect=2)
    assert "Did you mean 'Contract'" in refused.stderr
