"""Records in a store: every file of the collector gets there once, stays as it is here, and the counts agree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.unit.stores.test_stored_bundles import Dies

from fairlead.contract.errors import StoreFailed
from fairlead.contract.signature import Column, Signature
from fairlead.contract.stores import walk
from fairlead.ops.stores import Mirror, store_of
from fairlead.runtime.capture import Expired, Records, Spool, Tally, collect, expire, reconcile
from fairlead.runtime.wire import frames

SIGNATURE = Signature("classification", (Column("x", "number"),), classes=("a", "b"), key="id")
SCHEMA = frames.Schema("m", "b1", 1, SIGNATURE, [], ["id"])
DAY = 86_400.0


def captured(home: Path, first: int, count: int, *, instance: str = "i", at: float = 1_600_000_000.0) -> None:
    """So many records, collected."""
    spool = Spool(home / "spool", instance, "0", 1 << 30)
    for number in range(first, first + count):
        told = frames.Prediction(at + number, 0.001, f"{instance}{number}", None, "m", "b1", "champion", "native",
                                 [[float(number)]], None, None, ["a"], [[0.9, 0.1]])  # fmt: skip
        assert spool.append([frames.encode(told)], [SCHEMA], Tally(answered=1, captured=1))
    spool.close()
    collect(home)


def rows(home: Path) -> int:
    return int(Records(home, "m").between(None, None).num_rows)


def test_what_is_collected_is_in_the_store_and_the_counts_agree(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "home", store_of(str(tmp_path / "store")))
    captured(tmp_path / "home", 0, 30)
    assert len(mirror.waiting()) >= 1
    assert not mirror.reconcile().ok
    sent = mirror.push().sent
    assert sent >= 1
    found = mirror.reconcile()
    assert (found.ok, found.rows, found.stored_rows, found.files) == (True, 30, 30, sent)
    assert found.stored_rows == reconcile(tmp_path / "home").captured
    assert mirror.push().sent == 0
    captured(tmp_path / "home", 30, 20)
    assert mirror.push().sent >= 1
    assert (mirror.reconcile().ok, mirror.reconcile().stored_rows) == (True, 50)


def test_a_store_that_dies_on_the_way_costs_nothing(tmp_path: Path) -> None:
    store = store_of(str(tmp_path / "store"))
    for day in range(4):
        captured(tmp_path / "home", day * 10, 10, at=1_600_000_000.0 + day * DAY, instance=f"i{day}")
    with pytest.raises(StoreFailed):
        Mirror(tmp_path / "home", Dies(store, 2)).push()  # type: ignore[arg-type]
    mirror = Mirror(tmp_path / "home", store)
    assert len(mirror.waiting()) == 2
    assert mirror.push().sent == 2
    assert mirror.reconcile().ok
    # What is known to be there is lost, as by a kill before it was noted: the same names again, nothing twice.
    (tmp_path / "home" / "run" / "stored.json").unlink()
    before = [one.name for one in walk(store)]
    assert mirror.push().sent == 4
    assert [one.name for one in walk(store)] == before
    assert mirror.reconcile().stored_rows == 40


def test_days_that_end_here_end_there(tmp_path: Path) -> None:
    now = 1_600_000_000.0 + 11 * DAY
    mirror = Mirror(tmp_path / "home", store_of(str(tmp_path / "store")), 5, lambda: now)
    captured(tmp_path / "home", 0, 5)
    captured(tmp_path / "home", 5, 5, at=1_600_000_000.0 + 10 * DAY, instance="later")
    mirror.push()
    assert expire(tmp_path / "home", 5, now, mirror.waits()) == Expired(1, 0)
    assert mirror.pull().fetched == 0, "a day that is over does not come back"
    assert mirror.push().removed == 1
    assert (mirror.reconcile().ok, mirror.reconcile().stored_rows) == (True, 5)


def test_a_day_that_the_store_does_not_have_yet_does_not_end(tmp_path: Path) -> None:
    home, now = tmp_path / "home", 1_600_000_000.0 + 11 * DAY
    store = store_of(str(tmp_path / "store"))
    captured(home, 0, 5)
    captured(home, 5, 5, at=1_600_000_000.0 + DAY, instance="later")
    with pytest.raises(StoreFailed):
        Mirror(home, Dies(store, 1), 5, lambda: now).push()  # type: ignore[arg-type]
    mirror = Mirror(home, store, 5, lambda: now)
    assert expire(home, 5, now, mirror.waits()) == Expired(1, 0, held=1)
    assert rows(home) == 5
    # A file that grew since it was sent waits again.
    captured(home, 10, 5, at=1_600_000_000.0 + DAY, instance="later")
    assert expire(home, 5, now, mirror.waits()).held == 1
    assert mirror.push().sent >= 1
    assert expire(home, 5, now, mirror.waits()) == Expired(1, 0)
    mirror.push()
    assert list(walk(store)) == []


def test_files_that_were_lost_here_come_back_and_stay_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    mirror = Mirror(home, store_of(str(tmp_path / "store")), 5, lambda: 1_600_000_000.0 + DAY)
    captured(home, 0, 5)
    mirror.push()
    shutil.rmtree(home / "records")
    assert mirror.push().removed == 0
    assert mirror.pull().fetched == 1
    assert (rows(home), mirror.reconcile().ok) == (5, True)


def test_a_home_that_watches_gets_what_others_served(tmp_path: Path) -> None:
    store = store_of(str(tmp_path / "store"))
    for name in ("one", "two"):
        captured(tmp_path / name, 0, 12, instance=name)
        Mirror(tmp_path / name, store).push()
    watching = Mirror(tmp_path / "watching", store)
    assert watching.pull().fetched == 2
    assert rows(tmp_path / "watching") == 24
    assert watching.pull().fetched == 0
    captured(tmp_path / "one", 12, 3, instance="one")
    Mirror(tmp_path / "one", store).push()
    watching.pull()
    assert rows(tmp_path / "watching") == 27
    # What was fetched is not sent back.
    assert watching.push().sent == 0


def test_files_that_somebody_took_from_the_store_are_told(tmp_path: Path) -> None:
    store = store_of(str(tmp_path / "store"))
    mirror = Mirror(tmp_path / "home", store)
    captured(tmp_path / "home", 0, 5)
    mirror.push()
    (kept,) = walk(store)
    store.delete(kept.name)
    assert mirror.reconcile().missing == (kept.name,)
