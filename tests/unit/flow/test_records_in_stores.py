"""A project whose records lie in a store, too: days that end, people who are forgotten, records that are encrypted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.contract.errors import ConfigInvalid, StoreFailed
from fairlead.contract.signature import Column, Signature
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.forgetting import forget
from fairlead.ops.flow.keeping import keep, let_days_end
from fairlead.ops.project import Project
from fairlead.runtime.capture import Records, Spool, Tally, collect, keys
from fairlead.runtime.wire import frames

TOML = """[model]
name = "m"
task = "classification"
target = "y"
id = "who"

[gate]
max_group_gap = false

[capture]
keep_days = 5

[stores]
records = "{store}"
"""
SIGNATURE = Signature("classification", (Column("x", "number"),), classes=("a", "b"), key="who")
SCHEMA = frames.Schema("m", "b1", 1, SIGNATURE, [], ["who"])
AT, DAY = 1_600_000_000.0, 86_400.0
PEOPLE = ("anna-7590", "bert-1182", "carl-0001")


def project(folder: Path, store: Path, now: float = AT) -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fairlead.toml").write_text(TOML.format(store=store))
    return Workspace(Project.find(folder), clock=lambda: now)


def answered(ws: Workspace, instance: str, at: float = AT, *, ended: bool = True) -> None:
    """A row and a label of each person, collected; ended: no server holds the instance any more."""
    home = ws.home.root
    spool = Spool(home / "spool", instance, "0", 1 << 30, key=keys.current(home))
    for number, who in enumerate(PEOPLE):
        told = frames.Prediction(at, 0.001, f"{instance}{number}", None, "m", "b1", "champion", "native",
                                 [[float(number)]], [[who]], None, ["a"], [[0.9, 0.1]])  # fmt: skip
        label = frames.Label(at, "m", None, [frames.Given(f"{instance}{number}", 0, None, None, "a", None, "w", "v1")])
        assert spool.append([frames.encode(told)], [SCHEMA], Tally(answered=1, captured=1))
        assert spool.append([frames.encode(label)], [], Tally(labels=1))
    spool.close()
    if ended:
        (home / "run").mkdir(parents=True, exist_ok=True)
        (home / "run" / f"instance-{instance}.lock").touch()
    collect(home)


def people(ws: Workspace) -> list[str]:
    return sorted(Records(ws.home.root, "m").between(None, None).column("key").to_pylist())


def at_rest(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_days_end_when_the_store_has_them(tmp_path: Path) -> None:
    ws = project(tmp_path / "p", tmp_path / "store", AT + 11 * DAY)
    answered(ws, "i")
    (tmp_path / "store").write_text("no folder: nothing can be sent")
    with pytest.raises(StoreFailed):
        keep(ws)
    held = let_days_end(ws)
    assert (held.records, held.labels, held.held) == (0, 0, 2)
    assert people(ws) == sorted(PEOPLE)
    (tmp_path / "store").unlink()
    assert keep(ws).sent == 2
    gone = let_days_end(ws)
    assert (gone.records, gone.labels, gone.held) == (1, 1, 0)
    assert keep(ws).removed == 2


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_is_forgotten_is_gone_from_the_store_and_from_homes_that_read_it(
    tmp_path: Path, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, watching = (project(tmp_path / name, tmp_path / "store") for name in ("ours", "watching"))
    if encrypted:
        monkeypatch.setenv("K", os.urandom(32).hex())
        for ws in (ours, watching):
            keys.configure(ws.home.root, "env:K")
    answered(ours, "i")
    keep(ours)
    assert keep(watching).fetched == 2
    assert people(watching) == sorted(PEOPLE)
    if not encrypted:
        assert PEOPLE[0].encode() in at_rest(tmp_path / "store")
    done = forget(ours, PEOPLE[0])
    assert (done["done"], done["records"], done["labels"]) == (True, 1, 1)
    assert (done["store_waits"], done["other_homes"]) == ("", [])
    assert keep(watching).fetched == 2
    assert people(watching) == sorted(PEOPLE[1:])
    assert Records(watching.home.root, "m").labels().num_rows == 2
    for place in ("store", "watching", "ours"):
        raw = at_rest(tmp_path / place)
        assert PEOPLE[0].encode() not in raw
        assert (PEOPLE[1].encode() in raw) == (not encrypted)


def test_rows_that_lie_in_the_store_alone_are_forgotten_and_where_they_came_from_is_said(tmp_path: Path) -> None:
    serving, asked = (project(tmp_path / name, tmp_path / "store") for name in ("serving", "asked"))
    answered(serving, "far")
    keep(serving)
    done = forget(asked, PEOPLE[0])
    assert (done["done"], done["records"], done["other_homes"]) == (True, 1, ["far"])
    assert PEOPLE[0].encode() not in at_rest(tmp_path / "store")
    # The home that they came from follows, too; its spool, which no store reaches, is why the verb names it.
    assert keep(serving).fetched == 2
    assert people(serving) == sorted(PEOPLE[1:])
    assert forget(serving, PEOPLE[0])["done"]
    assert PEOPLE[0].encode() not in at_rest(tmp_path / "serving" / ".fairlead")


def test_a_store_that_is_away_is_no_done(tmp_path: Path) -> None:
    ws = project(tmp_path / "p", tmp_path / "store")
    answered(ws, "i")
    keep(ws)
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").write_text("")
    done = forget(ws, PEOPLE[0])
    assert (done["done"], done["records"]) == (False, 1)
    assert "store" in done["store_waits"]
    assert people(ws) == sorted(PEOPLE[1:])
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    assert forget(ws, PEOPLE[0])["done"]
    assert PEOPLE[0].encode() not in at_rest(tmp_path / "store")


def test_encrypted_records_in_a_store_open_by_their_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K", os.urandom(32).hex())
    ours, theirs, without = (project(tmp_path / name, tmp_path / "store") for name in ("ours", "theirs", "without"))
    for ws in (ours, theirs):
        keys.configure(ws.home.root, "env:K")
    answered(ours, "i")
    keep(ours)
    raw = at_rest(tmp_path / "store")
    assert not any(who.encode() in raw for who in (*PEOPLE, "champion"))
    for ws in (theirs, without):
        assert keep(ws).fetched == 2
    assert people(theirs) == sorted(PEOPLE)
    with pytest.raises(ConfigInvalid, match="key"):
        people(without)
    # It can still send and count what it cannot read, and is no worse than a place to keep them.
    assert keep(without).sent == 0
    assert without.mirror is not None
    assert without.mirror.reconcile().ok
