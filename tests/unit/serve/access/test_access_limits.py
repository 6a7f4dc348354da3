"""Books of limits: shared by workers, exact by the day, and kept over restarts and reboots."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairlead.contract.errors import TooManyRequests
from fairlead.runtime.serve.access.ledger import DAY_S, KEYS, SLOTS, Ledger, Limit

NOON = 20_000 * DAY_S + 43_200.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits-test.bin"


def limit(path: Path, slot: int = 0, rate: float = 0.0, burst: int = 0, rows: int = 0, key: str = "k1") -> Limit:
    ledger = Ledger(path, slot)
    return Limit(ledger, ledger.places([key])[key], rate, burst, rows)


def taken(one: Limit, times: int) -> int:
    """How many of so many requests were let through."""
    done = 0
    for _ in range(times):
        try:
            one.take()
        except TooManyRequests:
            continue
        done += 1
    return done


def test_a_burst_is_let_through_and_then_the_rate(path: Path) -> None:
    one = limit(path, rate=0.5, burst=5)
    assert taken(one, 20) == 5
    with pytest.raises(TooManyRequests) as refused:
        one.take()
    assert refused.value.retry_after_s in {1, 2}


def test_turns_come_back_with_time(path: Path) -> None:
    one = limit(path, rate=200.0, burst=1)
    began = time.monotonic()
    done = 0
    while done < 20:
        done += taken(one, 1)
    assert 19 / 200.0 <= time.monotonic() - began < 30.0


def test_without_a_burst_a_second_of_requests_may_come_at_once(path: Path) -> None:
    assert taken(limit(path, rate=1.5), 50) == 2


def test_the_rate_is_shared_by_all_workers_of_a_server(path: Path) -> None:
    first, second = limit(path, 0, rate=0.1, burst=10), limit(path, 1, rate=0.1, burst=10)
    assert taken(first, 6) == 6
    assert taken(second, 6) == 4
    assert taken(first, 1) == 0


def test_a_time_from_before_a_reboot_holds_nobody_up(path: Path) -> None:
    one = limit(path, rate=1.0, burst=1)
    one._cells[one._at] = time.monotonic() + 1e6
    one.take()
    with pytest.raises(TooManyRequests):
        one.take()


def test_rows_of_a_day_are_counted_by_all_workers_and_over_restarts(path: Path) -> None:
    first, second = limit(path, 0, rows=100), limit(path, 3, rows=100)
    first.charge(40, NOON)
    second.charge(50, NOON)
    with pytest.raises(TooManyRequests) as refused:
        first.charge(11, NOON)
    assert refused.value.retry_after_s == DAY_S / 2
    again = limit(path, 0, rows=100)
    again.charge(10, NOON)
    with pytest.raises(TooManyRequests):
        again.charge(1, NOON)
    again.charge(100, NOON + DAY_S)


def test_rows_that_are_refused_are_not_counted(path: Path) -> None:
    one = limit(path, rows=10)
    with pytest.raises(TooManyRequests):
        one.charge(11, NOON)
    one.charge(10, NOON)


def test_what_was_used_survives_a_kill(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from fairlead.runtime.serve.access.ledger import Ledger, Limit\n"
        f"ledger = Ledger(Path({str(path)!r}), 0); one = Limit(ledger, ledger.places(['k1'])['k1'], 0, 0, 100)\n"
        f"one.charge(60, {NOON}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with pytest.raises(TooManyRequests):
        limit(path, rows=100).charge(41, NOON)
    limit(path, rows=100).charge(40, NOON)


def test_keys_keep_their_places_and_those_that_are_gone_make_room(path: Path) -> None:
    ledger = Ledger(path, 0)
    ids = [f"k{number}" for number in range(KEYS)]
    places = ledger.places(ids)
    assert sorted(places.values()) == list(range(KEYS))
    assert Ledger(path, 1).places(ids[:3]) == {id: places[id] for id in ids[:3]}
    Limit(ledger, places["k5"], 0, 0, 10).charge(10, NOON)
    moved = ledger.places([*ids[:5], *ids[6:], "new"])
    assert moved["new"] == places["k5"]
    Limit(ledger, moved["new"], 0, 0, 10).charge(10, NOON)
    with pytest.raises(ValueError, match="more than"):
        ledger.places([*ids, "one more"])


def test_a_file_of_another_kind_is_made_anew(path: Path) -> None:
    path.write_bytes(b"something else")
    assert taken(limit(path, rate=0.1, burst=2), 5) == 2
    with pytest.raises(ValueError, match="slot"):
        Ledger(path, SLOTS)
