"""Every database behind the port `state`: one writer at a time, whole copies, errors in words. And what PostgreSQL
alone has: servers that go away, passwords, leaders."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import exc
from tests.conftest import eventually
from tests.ports import postgres_server

from fairlead.contract.errors import ConfigInvalid, NotLeader, StateError, UsageError
from fairlead.contract.events import Decision
from fairlead.contract.plugins import names
from fairlead.ops.audit import Audit
from fairlead.ops.state import State
from fairlead.ops.state.backends.port import backend_of
from fairlead.ops.state.backends.postgresql_address import parse, without_secret
from fairlead.ops.state.leading import Leader, holder_here, read_lease

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    with postgres_server.running() as made:
        yield made


@pytest.fixture(params=BOTH)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    made: postgres_server.Server = request.getfixturevalue("server")
    return made.database()


def leader_of(where: str, holder: str = "", lease_s: float = 2.0, said: list[str] | None = None) -> Leader:
    holder = holder or holder_here()
    return Leader(backend_of(where, holder=holder), holder, lease_s, (said if said is not None else []).append)


def test_both_databases_are_behind_the_port() -> None:
    assert names("state") == ("sqlite", "postgresql")
    with pytest.raises(UsageError, match="give postgresql://"):
        State.open("mysql://u@h/d")


def test_writers_come_one_at_a_time_and_snapshots_stand(where: str) -> None:
    """What reads first and writes after it counts on nobody in between, in every process."""
    with State.open(where) as one, State.open(where) as other:
        one.put("n", b"0")

        def add(state: State) -> None:
            for _ in range(20):
                with state.transaction():
                    state.put("n", str(int(state.get("n") or b"0") + 1).encode())

        threads = [threading.Thread(target=add, args=(state,)) for state in (one, other, one)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.get("n") == b"60"
        with one.backend.connect(writing=False) as snapshot:
            before = snapshot.exec_driver_sql("SELECT count(*) FROM documents").scalar()
            other.put("m", b"1")
            assert snapshot.exec_driver_sql("SELECT count(*) FROM documents").scalar() == before


def test_a_copy_is_one_moment_of_everything_while_writers_go_on(where: str, tmp_path: Path) -> None:
    with State.open(where) as state:
        over = threading.Event()

        def write() -> None:
            n = 0
            while not over.is_set():
                n += 1
                with state.transaction():
                    state.plan(Decision(f"d{n}", "m", "retrain", float(n), "why"))
                    Audit(state).record("rule", "plan", "m", "why", {"n": n})
                    state.put("n", str(n).encode())

        writer = threading.Thread(target=write)
        writer.start()
        try:
            eventually(lambda: int(state.get("n") or b"0") > 20)
            state.copy_to(tmp_path / "copy.db")
        finally:
            over.set()
            writer.join()
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith("copy")] == ["copy.db"]
        with State.open(tmp_path / "copy.db") as copy:
            n = int(copy.get("n") or b"0")
            assert 20 < n <= int(state.get("n") or b"0")
            assert (len(copy.decisions(last=10**6)), copy.count_events()) == (n, n)
            assert Audit(copy).verify().ok
            assert copy.backend.engine.dialect.name == "sqlite"


def test_errors_are_words_without_sql_and_values(where: str) -> None:
    with State.open(where) as state, pytest.raises(StateError) as caught, state._reading() as connection:
        connection.exec_driver_sql("SELECT 'hidden' FROM nowhere")
    assert "hidden" not in str(caught.value)
    assert "the state database cannot be used" in str(caught.value)


def test_text_that_no_database_takes_is_taken(where: str) -> None:
    from fairlead.ops.state.rows import MessageRow

    row = MessageRow("i", "f", "notice", "warning", "a\0b", "b", 1.0, "waiting", None, "", "")
    with State.open(where) as state:
        state.add_message(row)
        assert state.messages()[0].title in ("a\0b", "a\ufffdb")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://u@h", "names no database"),
        ("postgresql://h/d", "names no user"),
        ("postgresql://u@h:port/d", "is no address"),
        ("postgresql://u@h/d?sslmod=require", "unknown option 'sslmod'"),
        ("postgresql://u@h/d?sslmode=maybe", "sslmode 'maybe' is not known"),
        ("postgresql://u:geheim@h/d?sslrootcert=/nowhere", "sslrootcert cannot be read"),
    ],
)
def test_an_address_that_cannot_be_used_says_why_without_its_secret(address: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said) as caught:
        parse(address)
    assert "geheim" not in str(caught.value)


def test_addresses_go_encrypted_unless_they_stay_here_or_say_so() -> None:
    far, here = parse("postgresql://u:p%40ss@db.example:6432/d"), parse("postgresql://u@localhost/d")
    assert far.arguments["ssl_context"].check_hostname
    assert (far.url.password, far.url.port) == ("p@ss", 6432)
    assert here.arguments["ssl_context"] is None
    assert parse("postgresql://u@db.example/d?sslmode=disable").arguments["ssl_context"] is False
    assert parse("postgresql://u@/d?host=/run/pg&port=5433").arguments["unix_sock"] == "/run/pg/.s.PGSQL.5433"
    assert parse("postgresql://u@db.example/d", "geheim").url.password == "geheim"
    assert without_secret("postgresql://u:geheim@h:5432/d?sslmode=require") == "postgresql://u@h:5432/d?sslmode=require"


@pytest.mark.long
def test_a_password_comes_by_reference_and_a_wrong_one_is_said(server: postgres_server.Server) -> None:
    server.sql("CREATE ROLE app LOGIN PASSWORD 'right'")
    server.sql("CREATE DATABASE apps OWNER app")
    address = f"postgresql://app@127.0.0.1:{server.port}/apps"
    with State.open(address, password="right") as state:
        state.put("a", b"1")
    with pytest.raises(StateError, match="refuses this user or password") as caught:
        State.open(address, password="wrong")
    assert "wrong" not in str(caught.value)
    with pytest.raises(StateError, match="does not exist"):
        State.open(f"postgresql://app@127.0.0.1:{server.port}/nothing", password="right")


@pytest.mark.long
def test_a_dropped_connection_costs_what_was_under_way_and_nothing_after(server: postgres_server.Server) -> None:
    with State.open(server.database(), holder="me") as state:
        state.put("a", b"1")
        # Dropped while idle: nobody notices.
        assert state.backend.end_sessions("me") >= 1
        assert state.get("a") == b"1"
        # Dropped in the middle of a transaction: told, undone, and not done again by itself.
        tries = 0
        with pytest.raises(StateError, match=r"connection was lost: the transaction was undone"):  # noqa: PT012, SIM117
            with state.transaction():
                tries += 1
                state.put("a", b"2")
                server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%me'")
                state.put("b", b"2")
        assert tries == 1
        assert (state.get("a"), state.get("b")) == (b"1", None)


@pytest.mark.long
def test_a_commit_whose_answer_is_lost_is_told_as_such(server: postgres_server.Server) -> None:
    with State.open(server.database(), holder="cut") as state:
        with pytest.raises(StateError, match="whether it holds is not known"), state.transaction():  # noqa: PT012
            state.put("a", b"2")
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%cut'")
        assert state.get("a") is None


@pytest.mark.long
def test_a_server_that_restarts_is_waited_for(tmp_path: Path) -> None:
    with postgres_server.running() as mine, State.open(mine.database()) as state:
        state.put("a", b"1")
        mine.stop(signal.SIGQUIT)
        starter = threading.Timer(1.0, mine.start)
        starter.start()
        try:
            began = time.monotonic()
            state.put("a", b"2")
            assert 0.9 < time.monotonic() - began < 12.0
        finally:
            starter.join()
        assert state.get("a") == b"2"
        mine.stop()
        with pytest.raises(StateError, match="cannot be reached"):
            state.get("a")


@pytest.mark.long
def test_the_pool_is_bounded(server: postgres_server.Server) -> None:
    where = server.database()
    name = where.split("/")[3].split("?")[0]
    with State.open(where) as state:
        threads = [threading.Thread(target=lambda n=n: state.put(str(n), b"1")) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(state.names()) == 40
        (count,) = server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")[0]
        assert isinstance(count, int)
        assert count <= 16


@pytest.mark.long
@pytest.mark.verified("state", "PostgreSQL 15", how="run", by="Debian's server; the suite of state over both databases")
def test_one_leads_and_the_other_takes_over(server: postgres_server.Server) -> None:
    where = server.database()
    said: list[str] = []
    one, two = leader_of(where, "one", said=said), leader_of(where, "two")
    with State.open(where, epoch=one.epoch) as first, State.open(where, epoch=two.epoch) as second:
        with pytest.raises(NotLeader, match="does not lead"):
            first.put("a", b"0")
        assert (one.seek(), two.seek(), one.seek()) == (True, False, True)
        first.put("a", b"1")
        with pytest.raises(NotLeader):
            second.put("a", b"2")
        assert second.get("a") == b"1", "who does not lead reads all the same"
        one.resign()
        assert two.seek()
        second.put("a", b"2")
        with pytest.raises(NotLeader):
            first.put("a", b"3")
        lease = read_lease(second.backend)
        assert lease is not None
        assert (lease.epoch, lease.holder, lease.holds) == (2, "two", True)
        assert said == ["leads from now on (epoch 1)"]
    one._backend.close()
    two._backend.close()


@pytest.mark.long
def test_a_process_that_leads_again_keeps_its_own_connections(server: postgres_server.Server) -> None:
    """`watch --once` twice in one process: the second must not end what the first one's threads have open."""
    where = server.database()
    with State.open(where, holder="same") as state, state.transaction():
        first = leader_of(where, "same")
        assert read_lease(first._backend) is None
        state.put("a", b"1")
        first._backend.close()
    one = leader_of(where, "same")
    assert one.seek()
    one.resign()
    with State.open(where, holder="same") as state, state.backend.connect(writing=False) as held:
        assert one.seek()
        assert held.exec_driver_sql("SELECT 1").scalar() == 1
    one.close()


@pytest.mark.long
def test_the_database_itself_refuses_an_epoch_that_is_over_on_every_table(server: postgres_server.Server) -> None:
    from fairlead.ops.state.schema import leases, metadata

    where = server.database()
    one, two = leader_of(where, "one"), leader_of(where, "two")
    assert one.seek()
    one.resign()
    assert two.seek()
    backend = backend_of(where)
    for table in metadata.sorted_tables:
        if table is leases:
            continue
        with pytest.raises(exc.DBAPIError) as caught, backend.connect(writing=True, epoch=1) as connection:
            connection.exec_driver_sql(f"DELETE FROM {table.name}")
        assert isinstance(backend.translated(caught.value), NotLeader), table.name
        with backend.connect(writing=True, epoch=2) as connection:
            connection.exec_driver_sql(f"DELETE FROM {table.name}")
    for end in (one._backend, two._backend, backend):
        end.close()


FROZEN = """
import sys, time
from fairlead.contract.errors import NotLeader
from fairlead.ops.state import State
from fairlead.ops.state.backends.port import backend_of
from fairlead.ops.state.leading import Leader
where, holder, believes, open_s = sys.argv[1], sys.argv[2], sys.argv[3] == "believes", float(sys.argv[4])
leader = Leader(backend_of(where, holder=holder), holder, 2.0, lambda line: print(line, flush=True))
assert leader.seek()
if believes:
    leader.lease_s = 1e9  # a clock that stood still with the process: only the database knows
    leader.seek()
    import sqlalchemy
    with leader._backend.engine.begin() as c:
        c.execute(sqlalchemy.text("UPDATE leases SET expires = extract(epoch from clock_timestamp()) + 2"))
state = State.open(where, holder=holder, epoch=leader.epoch)
print("writing", flush=True)
n = 0
while True:
    n += 1
    try:
        with state.transaction():
            state.put("n", f"{holder} {n}".encode())
            print(n, flush=True)
            time.sleep(open_s)
            state.put("m", f"{holder} {n}".encode())
        if not believes: leader.seek()
    except Exception as fault:
        print(type(fault).__name__, fault, flush=True)
        if isinstance(fault, NotLeader): break
"""


@pytest.mark.long
@pytest.mark.parametrize("believes", ["believes", "knows"])
@pytest.mark.parametrize("open_s", ["0.001", "0.3"])
def test_a_leader_frozen_anywhere_that_wakes_writes_nothing(
    server: postgres_server.Server, believes: str, open_s: str
) -> None:
    """Stopped for longer than its lease, mostly in the middle of a transaction that holds the writers' lock."""
    where = server.database()
    words = [sys.executable, "-c", FROZEN, where, "frozen", believes, open_s]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        while process.stdout.readline() != "writing\n":
            assert process.poll() is None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        two = leader_of(where, "two")
        eventually(two.seek, 10.0, "taking over")
        assert time.monotonic() - stopped < 10.0
        with State.open(where, epoch=two.epoch) as state:
            with state.transaction():
                state.put("n", b"two")
                state.put("m", b"two")
            process.send_signal(signal.SIGCONT)
            said = process.communicate(timeout=30)[0]
            assert "NotLeader" in said
            assert (state.get("n"), state.get("m")) == (b"two", b"two")
        two._backend.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
def test_a_long_transaction_of_its_own_does_not_cost_a_leader_its_lease(server: postgres_server.Server) -> None:
    where = server.database()
    said: list[str] = []
    with leader_of(where, "one", said=said) as one, leader_of(where, "two") as two:
        eventually(lambda: one.leads or two.leads)
        mine = one if one.leads else two
        with State.open(where, epoch=mine.epoch) as state:
            began = time.monotonic()
            with state.transaction():
                state.put("a", b"1")
                eventually(lambda: time.monotonic() - began > 4.0)
            assert state.get("a") == b"1"
        assert mine.leads


def test_a_home_on_sqlite_has_no_lease(tmp_path: Path) -> None:
    backend = backend_of(tmp_path / "state.db")
    assert read_lease(backend) is None
    backend.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        assert raw.execute("SELECT count(*) FROM leases").fetchone() == (0,)
