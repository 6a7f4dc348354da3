"""The state database: what is kept, together or not at all, by threads and processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import FormatUnknown, StateError, VersionNotFound
from fairlead.contract.events import Decision, Finding, Window
from fairlead.contract.routes import Variant
from fairlead.ops.state import Intent, Rollout, State
from fairlead.ops.state.encoding import from_text, to_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(where: str) -> Iterator[State]:
    with State.open(where, clock=lambda: 100.0) as opened:
        yield opened


def finding(id: str = "f1", model: str = "churn", since: float = 10.0, **more: float) -> Finding:
    return Finding(id, model, "data_drift", "psi", 3, since, 0.3, 0.2, 0.4, "nats", "moved", ("age",), evidence=more)


def decision(id: str = "d1", model: str = "churn") -> Decision:
    return Decision(id, model, "retrain", 5.0, "performance fell", ("f1",), {"window": 3})


def test_the_same_bundle_is_the_same_version(state: State) -> None:
    assert state.add_version("churn", "aa", at=1.0, verdict="pass", details={"auc": 0.8}) == 1
    assert state.add_version("churn", "bb", at=2.0) == 2
    assert state.add_version("churn", "aa", at=3.0, verdict="fail") == 1
    assert state.add_version("fraud", "aa", at=4.0) == 1
    first = state.version("churn", 1)
    assert (first.bundle, first.at, first.verdict, first.details) == ("aa", 1.0, "pass", {"auc": 0.8})
    assert state.version("churn").number == 2
    assert [row.number for row in state.versions("churn")] == [1, 2]
    found = state.find_bundle("aa")
    assert found is not None
    assert (found.model, found.number) == ("churn", 1)
    assert state.find_bundle("cc") is None


def test_a_version_that_does_not_exist_is_said_with_those_that_do(state: State) -> None:
    state.add_version("churn", "aa", at=1.0)
    with pytest.raises(VersionNotFound, match=r"version 7 of 'churn' is not registered. Registered: 1\."):
        state.version("churn", 7)
    with pytest.raises(VersionNotFound, match=r"no version of 'fraud' is registered yet"):
        state.version("fraud")
    with pytest.raises(VersionNotFound):
        state.set_alias("churn", "champion", 2)


def test_aliases_move_and_go(state: State) -> None:
    for bundle in ("aa", "bb"):
        state.add_version("churn", bundle, at=1.0)
    state.set_alias("churn", "champion", 1)
    state.set_alias("churn", "champion", 2)
    state.set_alias("churn", "before", 1)
    assert state.aliases("churn") == {"before": 1, "champion": 2}
    state.drop_alias("churn", "before")
    state.drop_alias("churn", "before")
    assert state.aliases("churn") == {"champion": 2}


def test_an_intent_comes_back_whole(state: State) -> None:
    assert state.intent("churn") is None
    rollout = Rollout(2, 1000.0, 1.5, stage=3, details={"share": 0.05})
    variants = (Variant("champion", "aa", 1, 0.95), Variant("challenger", "bb", 2, 0.05))
    wanted = Intent("churn", variants, 1.5, "canary", "person", "5a17", "frozen", rollout, previous=1)
    state.set_intent(wanted)
    state.set_intent(wanted)
    assert state.intent("churn") == wanted
    assert state.models() == ["churn"]


def test_generations_only_grow(where: str) -> None:
    assert State.open(where).generation() == 0
    states = [State.open(where) for _ in range(4)]
    found: list[int] = []

    def take(one: State) -> None:
        found.extend(one.next_generation() for _ in range(10))

    threads = [threading.Thread(target=take, args=(one,)) for one in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 41))
    assert states[0].generation() == 40


def test_a_window_keeps_its_profile_while_it_moves_on(state: State) -> None:
    state.put_window(Window("churn", 1, 0.0, 7.0, rows=5), b'{"rows":5}')
    state.put_window(Window("churn", 2, 7.0, 14.0))
    state.put_window(Window("churn", 1, 0.0, 7.0, rows=5, state="scored", metrics={"auc": float("nan")}))
    one, two = state.windows("churn")
    assert (one.state, two.state) == ("scored", "open")
    assert one.metrics["auc"] != one.metrics["auc"], "NaN is kept"
    assert state.window_profile("churn", 1) == b'{"rows":5}'
    assert state.window_profile("churn", 2) is None
    assert [window.index for window in state.windows("churn", last=1)] == [2]
    assert [window.index for window in state.windows_in("churn", "scored")] == [1]
    assert [window.index for window in state.windows_until("churn", 1, 5)] == [1]
    assert [window.index for window in state.windows_until("churn", None, 1)] == [2]
    assert [window.index for window in state.windows_since("churn", one.end)] == [2]
    assert state.windows_since("churn", two.end) == []
    first = state.first_window("churn")
    assert first is not None
    assert (first.index, state.first_window("nobody")) == (1, None)


def test_findings_open_last_and_close(state: State) -> None:
    assert state.put_finding(finding("f1", since=20.0))
    assert state.put_finding(finding("f2", "fraud", since=10.0, e_value=float("inf")))
    assert not state.put_finding(finding("f1", since=20.0, p=0.01))
    assert [one.id for one in state.findings()] == ["f2", "f1"]
    assert state.findings("churn")[0].evidence == {"p": 0.01}
    assert state.findings("fraud")[0].evidence == {"e_value": float("inf")}
    assert state.close_finding("f1", 30.0)
    assert not state.close_finding("f1", 40.0)
    assert not state.close_finding("unknown", 40.0)
    assert state.findings("churn") == []
    row = state.finding("f1")
    assert row is not None
    assert (row.state, row.closed_at) == ("closed", 30.0)
    assert len(state.findings("churn", open_only=False)) == 1


def test_a_decision_is_acted_upon_once_and_taken_up_when_cut_short(state: State) -> None:
    assert state.plan(decision("d1"))
    assert not state.plan(decision("d1"))
    state.plan(decision("d2", "fraud"))
    state.start("d1", at=6.0)
    state.start("d1", at=7.0)
    (left,) = state.unfinished("churn")
    assert (left.state, left.attempts, left.started_at, left.decision) == ("started", 2, 7.0, decision("d1"))
    state.finish("d1", "retrained", {"version": 2}, at=8.0)
    done = state.finish("d1", "failed", at=9.0)
    assert (done.outcome, done.details, done.finished_at) == ("retrained", {"version": 2}, 8.0)
    assert [row.decision.id for row in state.unfinished()] == ["d2"]
    assert not state.plan(decision("d1")), "an id that is finished is known, too"
    assert [row.decision.id for row in state.decisions()] == ["d1", "d2"]
    assert [row.decision.id for row in state.decisions(last=1)] == ["d2"]
    with pytest.raises(StateError, match="finished already"):
        state.start("d1")
    with pytest.raises(StateError, match="never planned"):
        state.finish("d9", "done")


def test_documents(state: State) -> None:
    assert state.get("cursor:churn") is None
    state.put("cursor:churn", b"\x00\xff")
    state.put("cursor:churn", b"2")
    state.put("cursor_x", b"3")
    assert state.get("cursor:churn") == b"2"
    assert state.names("cursor:") == ["cursor:churn"]
    assert state.names("cursor_") == ["cursor_x"], "_ stands for itself"
    state.drop("cursor:churn")
    assert state.get("cursor:churn") is None


def test_a_transaction_commits_together_or_not_at_all(state: State, where: str) -> None:
    other = State.open(where)
    acts: list[str] = []
    with state.transaction():
        state.put("a", b"1")
        with state.transaction():
            state.plan(decision())
        state.after_commit(lambda: acts.append("told"))
        assert other.get("a") is None
        assert state.get("a") == b"1", "its own writes are seen inside"
        assert acts == []
    assert other.get("a") == b"1"
    assert acts == ["told"]
    with pytest.raises(RuntimeError), state.transaction():  # noqa: PT012
        state.put("a", b"2")
        state.finish("d1", "done")
        state.after_commit(lambda: acts.append("never"))
        raise RuntimeError
    assert state.get("a") == b"1"
    assert len(state.unfinished()) == 1
    assert acts == ["told"]
    state.after_commit(lambda: acts.append("at once"))
    assert acts == ["told", "at once"]


def test_an_inner_transaction_that_fails_leaves_the_outer_alone(state: State) -> None:
    acts: list[str] = []
    with state.transaction():
        state.put("a", b"1")
        with pytest.raises(RuntimeError), state.transaction():  # noqa: PT012
            state.put("a", b"2")
            state.put("b", b"2")
            state.after_commit(lambda: acts.append("never"))
            raise RuntimeError
        state.put("c", b"3")
    assert (state.get("a"), state.get("b"), state.get("c")) == (b"1", None, b"3")
    assert acts == []


def test_a_transaction_belongs_to_its_thread(state: State) -> None:
    seen: list[bytes | None] = []
    with state.transaction():
        state.put("a", b"1")
        thread = threading.Thread(target=lambda: seen.append(state.get("a")))
        thread.start()
        thread.join()
    assert seen == [None]


def test_many_processes_open_a_new_database_at_once(where: str) -> None:
    code = (
        "import sys; from fairlead.ops.state import State\n"
        "s = State.open(sys.argv[1]); s.put(sys.argv[2], b'1'); print(s.next_generation())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, where, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    found = sorted(int(process.communicate(timeout=60)[0]) for process in processes)
    assert found == [1, 2, 3]
    assert State.open(where).names() == ["0", "1", "2"]


def test_a_database_of_a_newer_fairlead_is_refused(state: State, where: str) -> None:
    with state.backend.connect(writing=True) as raw:
        raw.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FormatUnknown, match="revision 9999"):
        State.open(where)


def test_a_file_that_is_no_database_is_refused_without_its_path(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StateError, match="file is not a database") as caught:
        State.open(path)
    assert str(path) not in str(caught.value)


def test_a_current_database_opens_without_alembic(where: str) -> None:
    State.open(where).close()
    code = "import sys; from fairlead.ops.state import State; State.open(sys.argv[1]); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, where], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_importing_the_room_loads_no_sqlalchemy() -> None:
    code = "import sys, fairlead.ops.state, fairlead.ops.audit, fairlead.ops.alerts; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_migrations_lead_to_the_tables_that_the_code_uses(state: State) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    import fairlead.ops.state.schema as schema

    with state.backend.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == schema.HEAD
    assert {script.revision for script in scripts.walk_revisions()} == set(schema.REVISIONS)


def test_tables_can_be_made_in_postgresql() -> None:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    from fairlead.ops.state.schema import metadata

    made = [str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in metadata.sorted_tables]
    assert len(made) == len(metadata.tables)


def test_only_its_owner_reads_it_and_it_waits_for_power(path: Path) -> None:
    state = State.open(path)
    state.put("a", b"1")
    for file in path.parent.glob("state.db*"):
        assert os.stat(file).st_mode & 0o077 == 0, file.name
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with state._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_text_is_canonical_and_comes_back(value: dict[str, object]) -> None:
    text = to_text(value)
    assert from_text(text, dict) == value
    assert to_text(dict(reversed(value.items()))) == text
