"""Keys as people make, rotate and revoke them; what is kept, what is told, what the audit log says."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlead.contract.errors import UsageError
from fairlead.ops.access import Keyring, audit_refusals, own_secret, stored_secret
from fairlead.ops.access.keyring import DAY_S
from fairlead.ops.audit import Audit
from fairlead.ops.state import State
from fairlead.runtime.serve.access import hash_of, well_formed
from fairlead.runtime.serve.access.doorkeeper import refusals_path
from fairlead.runtime.serve.counters import Counters


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State.open(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def audit(state: State) -> Audit:
    return Audit(state)


@pytest.fixture
def keyring(state: State, audit: Audit, clock: Clock) -> Keyring:
    return Keyring(state, audit, "ann", clock)


def actions(audit: Audit) -> list[tuple[str, str, str]]:
    return [(event.actor, event.action, event.subject) for event in audit.events()]


def test_a_key_is_shown_once_and_kept_as_a_hash(keyring: Keyring, audit: Audit, tmp_path: Path) -> None:
    issued = keyring.create("web shop", models=("churn",), rate=10.0, digits=3)
    assert well_formed(issued.secret)
    (told,) = keyring.published()
    assert told == issued.key
    assert (told.hash, told.expires) == (hash_of(issued.secret), 1000.0 + 90 * DAY_S)
    assert (told.models, told.verbs, told.rate_per_s, told.digits) == (("churn",), ("predict", "feedback"), 10.0, 3)
    assert actions(audit) == [("ann", "create key", "web shop")]
    (event,) = audit.events()
    assert event.details["id"] == told.id
    assert told.hash not in msgspec.json.encode(event).decode()
    for path in tmp_path.iterdir():
        assert issued.secret.encode() not in path.read_bytes()


def test_a_revoked_key_is_told_to_nobody(keyring: Keyring, audit: Audit) -> None:
    first, second = keyring.create("one"), keyring.create("two")
    assert keyring.revoke("one") == (first.key,)
    assert keyring.published() == (second.key,)
    assert keyring.revoke(second.key.id, "left the company") == (second.key,)
    assert keyring.published() == ()
    assert [(action, why) for _, action, why in ((e.actor, e.action, e.why) for e in audit.events())][2:] == [
        ("revoke key", "revoked by hand"), ("revoke key", "left the company"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no live key"):
        keyring.revoke("one")
    assert [row.revoked_at for row in keyring.rows()] == [1000.0, 1000.0]


def test_an_expired_key_is_told_to_nobody_and_frees_its_name(keyring: Keyring, clock: Clock) -> None:
    keyring.create("one", days=2)
    clock.now += 2 * DAY_S - 1
    assert len(keyring.published()) == 1
    with pytest.raises(UsageError, match="already"):
        keyring.create("one")
    clock.now += 1
    assert keyring.published() == ()
    keyring.create("one")


def test_a_rotation_keeps_the_rules_and_both_keys_hold_a_while(keyring: Keyring, clock: Clock, audit: Audit) -> None:
    old = keyring.create("one", models=("churn",), days=30, rows_per_day=50)
    clock.now += 10 * DAY_S
    new = keyring.rotate("one", overlap_s=3600.0)
    assert new.secret != old.secret
    assert msgspec.structs.replace(new.key, id="", hash="", expires=0.0) == msgspec.structs.replace(
        old.key, id="", hash="", expires=0.0
    )
    assert new.key.expires == clock.now + 30 * DAY_S
    assert {key.id: key.expires for key in keyring.published()} == {
        old.key.id: clock.now + 3600.0, new.key.id: new.key.expires,
    }  # fmt: skip
    with pytest.raises(UsageError, match="rotated already"):
        keyring.rotate("one")
    clock.now += 3600.0
    assert [key.id for key in keyring.published()] == [new.key.id]
    assert [action for _, action, _ in actions(audit)] == ["create key", "rotate key"]
    last = keyring.rotate("one", overlap_s=0.0)
    assert [key.id for key in keyring.published()] == [last.key.id]


def test_a_rotation_never_makes_the_old_key_last_longer(keyring: Keyring, clock: Clock) -> None:
    old = keyring.create("one", days=1)
    clock.now += DAY_S - 60
    keyring.rotate("one", overlap_s=3600.0)
    assert {key.id: key.expires for key in keyring.published()}[old.key.id] == 1000.0 + DAY_S


@pytest.mark.parametrize(
    ("rules", "said"),
    [({"name": ""}, "name"), ({"name": "-x"}, "name"), ({"name": "a" * 64}, "name"), ({"name": "a\nb"}, "name"),
     ({"verbs": ("fly",)}, "unknown verb"), ({"verbs": ()}, "verb"), ({"models": ()}, "model"), ({"days": -1}, "days"),
     ({"days": 1e9}, "days"), ({"rate": -1.0}, "rate"), ({"rate": float("nan")}, "rate"), ({"burst": 5}, "burst"),
     ({"rows_per_day": -1}, "rows"), ({"digits": 20}, "decimals"), ({"purpose": "x" * 200}, "purpose")],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object], said: str, keyring: Keyring) -> None:
    with pytest.raises(UsageError, match=said):
        keyring.create(**{"name": "one", **rules})  # type: ignore[arg-type]
    assert keyring.rows() == []


def test_a_name_that_is_nearly_right_is_suggested(keyring: Keyring) -> None:
    keyring.create("web-shop")
    with pytest.raises(UsageError, match="Did you mean 'web-shop'"):
        keyring.revoke("web-shp")


def test_a_home_keeps_a_key_for_itself(keyring: Keyring, tmp_path: Path) -> None:
    assert stored_secret(tmp_path) is None
    secret, new = own_secret(keyring, tmp_path)
    assert new
    assert stored_secret(tmp_path) == secret
    assert os.stat(tmp_path / "own.key").st_mode & 0o777 == 0o600
    assert own_secret(keyring, tmp_path) == (secret, False)
    (key,) = keyring.published()
    assert (key.hash, key.expires, key.models) == (hash_of(secret), 0.0, ("*",))
    (tmp_path / "own.key").write_text("damaged")
    other, new = own_secret(keyring, tmp_path)
    assert new
    assert other != secret
    assert [key.hash for key in keyring.published()] == [hash_of(other)]


def test_refused_purposes_become_events_once_and_in_sum(
    state: State, audit: Audit, keyring: Keyring, tmp_path: Path
) -> None:
    key = keyring.create("ads", purpose="advertising").key
    series = ("purpose", key.id, "churn", "advertising")
    assert audit_refusals(state, audit, tmp_path) == 0
    workers = [Counters(refusals_path(tmp_path, "test", slot)) for slot in (0, 1)]
    for worker, times in zip(workers, (2, 3), strict=True):
        worker.cells[worker.index(series)] += times
    workers[0].cells[workers[0].index(("purpose", "kgone", "price", "x"))] += 1
    assert audit_refusals(state, audit, tmp_path) == 2
    assert audit_refusals(state, audit, tmp_path) == 0
    workers[1].cells[workers[1].index(series)] += 4
    assert audit_refusals(state, audit, tmp_path) == 1
    refused = [event for event in audit.events() if event.action == "purpose refused"]
    assert [(event.actor, event.subject, event.details["times"]) for event in refused] == [
        ("key ads", "churn", 5), ("key kgone", "price", 1), ("key ads", "churn", 4),
    ]  # fmt: skip
    assert audit.verify().ok


def test_counts_that_began_anew_are_all_new(state: State, audit: Audit, tmp_path: Path) -> None:
    path = refusals_path(tmp_path, "test", 0)
    first = Counters(path)
    first.cells[first.index(("purpose", "k1", "churn", "x"))] += 5
    assert audit_refusals(state, audit, tmp_path) == 1
    first.close()
    path.unlink()
    again = Counters(path)
    again.cells[again.index(("purpose", "k1", "churn", "x"))] += 2
    assert audit_refusals(state, audit, tmp_path) == 1
    assert [event.details["times"] for event in audit.events()] == [5, 2]


def test_a_database_of_the_first_release_gains_keys_and_keeps_what_it_had(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    import fairlead.ops.state.schema as schema

    path = tmp_path / "old.db"
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with create_engine(f"sqlite:///{path}").connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with sqlite3.connect(path) as raw:
        columns = [row[1] for row in raw.execute("PRAGMA table_info(documents)")]
        raw.execute(f"INSERT INTO documents ({', '.join(columns[:2])}) VALUES ('kept', X'31')")
    with State.open(path) as state:
        assert state.get("kept") == b"1"
        assert state.api_keys() == []
