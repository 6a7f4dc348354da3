"""Incidents in the database: kept, found by number, and there after an upgrade of an older home."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlead.contract.events import Finding
from fairlead.contract.incidents import Entry, Incident
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.state import State
from fairlead.ops.state.rows import MessageRow


def finding(id: str, **more: object) -> Finding:
    return Finding(id, "m", "quality", "missing", 3, 100.0, 0.3, 0.2, 0.4, "share", "x is missing", ("x",), **more)  # type: ignore[arg-type]


def incident(number: int, **more: object) -> Incident:
    return Incident(f"id{number}", number, "m", "x", "warning", "open", 100.0, 5.0, 5.0, 3, 3, **more)  # type: ignore[arg-type]


@pytest.fixture
def state(where: str) -> Iterator[State]:
    with State.open(where) as opened:
        yield opened


def test_incidents_are_found_by_number_and_id(state: State) -> None:
    for number in (1, 2):
        state.put_incident(incident(number))
    assert state.next_incident() == 3
    assert [state.incident(name) for name in ("2", "#2", " 2 ", "id2")] == [incident(2)] * 4
    assert [state.incident(name) for name in ("3", "", "x", "-1", "9" * 40)] == [None] * 5
    assert [i.number for i in state.incidents("m")] == [1, 2]
    assert state.incidents("other") == []


def test_a_line_is_added_once_and_what_repeats_is_bounded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.ops.state.incidents.MOST_ENTRIES", 3)
    state.put_incident(incident(1))
    assert state.add_entry("id1", Entry("a", 1.0, "begun", "x"))
    assert not state.add_entry("id1", Entry("a", 2.0, "begun", "x"))
    assert [state.add_entry("id1", Entry(str(n), 1.0, "joined", "x")) for n in range(4)] == [True, True, False, False]
    assert state.add_entry("id1", Entry("p", 1.0, "person", "what people did is kept"))
    assert [e.key for e in state.entries("id1", last=2)] == ["1", "p"]
    assert state.entry_count("id1") == 4


def test_the_all_clear_of_what_was_told_is_due_however_many_ended_since_that_nobody_was_told_of(state: State) -> None:
    state.put_incident(msgspec.structs.replace(incident(1), state="resolved", closed_at=50.0))
    row = MessageRow("notice:id1:0:0", "f", "notice", "warning", "t", "b", 1.0, "released", 1.0, "", "id1")
    state.add_message(row)
    with state.transaction():
        for number in range(2, 250):
            state.put_incident(msgspec.structs.replace(incident(number), state="resolved", closed_at=50.0))
    assert [i.number for i in state.incidents_to_clear(since=60.0)] == [1]
    later = state.incidents_to_clear(since=40.0)
    assert (later[0].number, len(later)) == (1, 201)
    state.add_message(msgspec.structs.replace(row, id="all_clear:id1:0", kind="all_clear"))
    assert state.incidents_to_clear(since=60.0) == []


def test_an_older_home_is_brought_up_and_tells_of_what_is_open(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    import fairlead.ops.state.schema as schema

    path = tmp_path / "state.db"
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with create_engine(f"sqlite:///{path}").connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    with sqlite3.connect(path) as raw:
        raw.execute(
            "INSERT INTO messages VALUES ('notice:f', 1, 'f', 'notice', 'warning', 't', 'b', 1.0, 'released', 1.0, '')"
        )
    state = State.open(path)
    (old,) = state.messages()
    assert (old.finding, old.incident) == ("f", "")
    state.put_finding(finding("f"))
    (made,) = bring_up_to_date(state, 9.0)
    assert (made.number, made.open) == (1, ("f",))


CUT = """
import os, sys
from fairlead.contract.events import Finding
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.state import State
state = State.open(sys.argv[1])
with state.transaction():
    for n in range(5):
        state.put_finding(Finding(f"f{n}", "m", "quality", "nulls", 3, 100.0, 0.3, 0.2, 0.4, "share", "x", (f"c{n}",)))
    bring_up_to_date(state, 9.0)
    os.kill(os.getpid(), 9)
"""


def test_a_pass_that_is_killed_leaves_nothing_by_halves_and_is_repeated_alike(where: str) -> None:
    State.open(where).close()
    assert subprocess.run([sys.executable, "-c", CUT, where], check=False).returncode == -9
    state = State.open(where)
    assert (state.findings(), state.incidents(standing=False)) == ([], [])
    done = subprocess.run([sys.executable, "-c", CUT.replace("os.kill(os.getpid(), 9)", "pass"), where], check=False)
    assert done.returncode == 0
    (first,) = state.incidents()
    assert len(first.open) == 5
    assert bring_up_to_date(state, 10.0) == []
