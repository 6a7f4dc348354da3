"""The audit log: whatever is done to it afterwards is noticed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import AuditBroken
from fairlead.ops.audit import Audit
from fairlead.ops.audit.chain import GENESIS, hash_of, line, walk
from fairlead.ops.state import State
from fairlead.ops.state.chain import EventRow
from fairlead.runtime.bundle import SigningKey

COLUMNS = EventRow.__struct_fields__


def chain(length: int) -> list[EventRow]:
    rows: list[EventRow] = []
    for n in range(1, length + 1):
        before = rows[-1].hash if rows else GENESIS
        rows.append(line(n, 100.0 + n, "rule", "deploy", "churn", f"reason {n}", f'{{"n":{n}}}', before))
    return rows


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "state.db"
        self.head = folder / "audit.head"
        self.key = SigningKey.create(folder / "seal.key")
        self.state = State.open(self.db)

    def audit(self, key: SigningKey | None = None) -> Audit:
        return Audit(self.state, key=key or self.key, head=self.head, clock=lambda: 100.0)

    def sql(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.db) as raw:
            raw.execute(statement, values)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_an_event_comes_back_as_it_was_written(home: Home) -> None:
    audit = home.audit()
    one = audit.record("alice", "deploy", "churn", "asked for", {"version": 2, "share": 0.05})
    two = audit.record("rule", "promote", "churn")
    assert (one.sequence, one.previous, one.at) == (1, GENESIS, 100.0)
    assert (two.sequence, two.previous) == (2, one.hash)
    assert audit.events() == [one, two]
    assert audit.events(last=1) == [two]
    assert one.details == {"version": 2, "share": 0.05}
    report = audit.verify(strict=True)
    assert (report.ok, report.events, report.first_bad, report.anchored) == (True, 2, None, True)


def test_an_empty_log_verifies(home: Home) -> None:
    assert home.audit().verify(strict=True).events == 0
    assert Audit(home.state).verify(strict=True).events == 0


def test_an_event_belongs_to_the_transaction_it_was_recorded_in(home: Home) -> None:
    audit = home.audit()
    audit.record("rule", "seal", "aa")
    with pytest.raises(RuntimeError), home.state.transaction():  # noqa: PT012
        home.state.put("a", b"1")
        audit.record("rule", "deploy", "churn")
        raise RuntimeError
    assert [event.action for event in audit.events()] == ["seal"]
    with home.state.transaction():
        for _ in range(3):
            audit.record("rule", "deploy", "churn")
    assert audit.verify(strict=True).events == 4


def test_many_processes_make_one_chain(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from fairlead.ops.state import State\n"
        "from fairlead.ops.audit import Audit; from fairlead.runtime.bundle import SigningKey\n"
        "home = Path(sys.argv[1])\n"
        "state, key = State.open(home / 'state.db'), SigningKey.load(home / 'seal.key')\n"
        "audit = Audit(state, key=key, head=home / 'audit.head')\n"
        "for n in range(12): audit.record(sys.argv[2], 'step', str(n))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(home.folder), str(n)]) for n in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    report = home.audit().verify(strict=True)
    assert report.events == 24
    assert {event.actor for event in home.audit().events()} == {"0", "1"}


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_row_changed_removed_moved_or_inserted_is_noticed(data: st.DataObject) -> None:
    rows = chain(data.draw(st.integers(2, 8), label="length"))
    anchor = (rows[-1].sequence, rows[-1].hash)
    assert walk(rows, anchor).ok
    touched = data.draw(st.sampled_from(["change", "remove", "swap", "insert", "cut", "rewrite"]))
    at = data.draw(st.integers(0, len(rows) - 1), label="at")
    bad = list(rows)
    if touched == "change":
        name = data.draw(st.sampled_from(COLUMNS))
        old = getattr(rows[at], name)
        new = data.draw((st.text() if isinstance(old, str) else st.integers(-5, 20)).filter(lambda value: value != old))
        bad[at] = msgspec.structs.replace(rows[at], **{name: new})
    elif touched == "remove":
        del bad[at]
    elif touched == "swap":
        other = data.draw(st.integers(0, len(rows) - 1).filter(lambda n: n != at))
        bad[at], bad[other] = bad[other], bad[at]
    elif touched == "insert":
        bad.insert(at, data.draw(st.sampled_from(rows)))
    elif touched == "cut":
        bad = bad[:at]
    else:
        # Whoever knows the rule can hash a changed line and all behind it anew; the signed head stands against that.
        bad = bad[:at]
        for row in rows[at:]:
            before = bad[-1].hash if bad else GENESIS
            bad.append(line(row.sequence, row.at, "mallory", row.action, row.subject, row.why, row.details, before))
    report = walk(bad, anchor)
    assert not report.ok
    assert report.first_bad is not None
    assert report.why.startswith(f"event {report.first_bad}:")


@given(st.binary(min_size=1, max_size=3), st.integers(0, 10**6))
@example(b"\x00", 0)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_head_changed_in_any_byte_is_noticed(home: Home, noise: bytes, place: int) -> None:
    audit = home.audit()
    if not home.state.last_event():
        audit.record("rule", "deploy", "churn")
    whole = home.head.read_bytes()
    at = place % (len(whole) - len(noise))
    changed = whole[:at] + noise + whole[at + len(noise) :]
    home.head.write_bytes(changed)
    try:
        assert audit.verify().ok == (changed == whole)
    finally:
        home.head.write_bytes(whole)


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE events SET why = 'because' WHERE sequence = 2", 2),
        ("UPDATE events SET at = at + 1 WHERE sequence = 3", 3),
        ("UPDATE events SET details = '{\"n\": 2}' WHERE sequence = 2", 2),
        ("UPDATE events SET details = 'not json' WHERE sequence = 2", 2),
        ("UPDATE events SET actor = x'00ff' WHERE sequence = 1", 1),
        ("UPDATE events SET sequence = 99 WHERE sequence = 5", 5),
        ("UPDATE events SET sequence = -1 WHERE sequence = 1", 1),
        ("DELETE FROM events WHERE sequence = 1", 1),
        ("DELETE FROM events WHERE sequence = 4", 4),
        ("DELETE FROM events WHERE sequence >= 4", 4),
        ("DELETE FROM events", 1),
    ],
)
def test_a_hand_in_the_database_is_noticed(home: Home, statement: str, first_bad: int) -> None:
    audit = home.audit()
    for n in range(1, 6):
        audit.record("rule", "deploy", "churn", "why", {"n": n})
    home.sql(statement)
    report = home.audit().verify()
    assert not report.ok
    assert report.first_bad == first_bad
    with pytest.raises(AuditBroken, match=f"event {first_bad}:"):
        home.audit().verify(strict=True)


def test_a_cut_end_stays_noticed_when_the_log_grows_again(home: Home) -> None:
    audit = home.audit()
    for _ in range(5):
        audit.record("rule", "deploy", "churn")
    home.sql("DELETE FROM events WHERE sequence >= 4")
    for _ in range(4):
        home.audit().record("rule", "promote", "churn")
    report = home.audit().verify()
    assert (report.ok, report.first_bad) == (False, 5)
    assert "signed head" in report.why


def test_a_head_that_is_gone_is_noticed_and_its_return_is_written_down(home: Home) -> None:
    audit = home.audit()
    audit.record("rule", "deploy", "churn")
    home.head.unlink()
    assert home.audit().verify().why == "the head of the audit log is missing"
    home.audit().record("rule", "promote", "churn")
    assert [event.action for event in audit.events()] == ["deploy", "audit.anchored", "promote"]
    assert home.audit().verify(strict=True).ok


def test_a_head_signed_by_a_stranger_is_noticed_and_never_replaced(home: Home, tmp_path: Path) -> None:
    home.audit().record("rule", "deploy", "churn")
    stranger = SigningKey.create(tmp_path / "other.key")
    home.head.unlink()
    home.audit(stranger).record("rule", "deploy", "churn")
    forged = home.head.read_bytes()
    assert "does not trust" in home.audit().verify().why
    home.audit().record("rule", "deploy", "churn")
    assert home.head.read_bytes() == forged
    trusting = Audit(home.state, key=home.key, head=home.head, trusted=[stranger.public])
    assert trusting.verify(strict=True).ok


def test_secrets_are_never_written(home: Home) -> None:
    secret = "s3cr3t-w0rd"
    details = {
        "password": secret,
        "nested": [{"API_KEY": secret, "apiToken": {"inner": secret}}],
        "url": f"postgresql://user:{secret}@db/fairlead",
        "rows": 3,
    }
    event = home.audit().record("rule", "configure", f"mail://me:{secret}@host", f"see http://{secret}@host/", details)
    home.state.close()
    assert event.details["rows"] == 3
    assert event.details["url"] == "postgresql://db/fairlead"
    for file in home.folder.glob("state.db*"):
        assert secret.encode() not in file.read_bytes()


@given(st.text(), st.dictionaries(st.text(), st.text() | st.floats() | st.integers(), max_size=3))
@example("\ud800 lone", {"a\x00b": "\udfff"})
@example("x" * 20_000, {"big": "y" * 20_000})
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_recorded_verifies(home: Home, why: str, details: dict[str, object]) -> None:
    home.audit().record("rule", "deploy", "churn", why, details)
    assert home.audit().verify(strict=True).ok
    assert all(hash_of(row) == row.hash for row in home.state.event_rows(last=1))


def test_a_full_disk_for_the_head_fails_nobody(home: Home) -> None:
    audit = home.audit()
    audit.record("rule", "deploy", "churn")
    whole = home.head.read_bytes()
    # A folder where the head's lock file should be cannot be opened for writing, as on a disk that refuses it.
    lock = home.head.with_name("audit.head.lock")
    lock.unlink()
    lock.mkdir()
    audit.record("rule", "promote", "churn")
    assert home.head.read_bytes() == whole
    assert audit.verify(strict=True).events == 2, "a head that lags is still true"
