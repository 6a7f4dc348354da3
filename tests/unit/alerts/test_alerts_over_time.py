"""What is told when looks are missed, channels are down and processes are killed: once, and not never."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.ports.alert_receivers import Hook

from fairlead.contract.events import Finding
from fairlead.contract.settings import AlertSettings
from fairlead.ops.alerts import Outbox, channels
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.alerts.outbox import MAX_TRIES, backoff_s
from fairlead.ops.alerts.telling import FORGOTTEN_S
from fairlead.ops.state import State

HOUR = 3600.0
START = 1_700_000_000.0


def finding(id: str = "f1", column: str = "hum", severity: str = "warning", window: int = 3) -> Finding:
    words = f"{column}: 120 rows hold one value"
    told = "quality", "stuck", window, START, 120.0, 120.0, 120.0, "rows", words, (column,), severity
    return Finding(id, "bike", *told, first=START + 6 * HOUR)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as running:
        yield running


def lived(state: State, one: Finding, now: float, ended: float) -> None:
    """Begun and over within one look."""
    state.put_finding(one)
    bring_up_to_date(state, now)
    state.close_finding(one.id, ended)
    bring_up_to_date(state, now)


def told(hook: Hook) -> list[dict[str, str]]:
    return [json.loads(body) for _, _, body in hook.got]


def test_what_began_and_ended_between_two_looks_is_told_once_with_size_and_duration(state: State, hook: Hook) -> None:
    outbox = Outbox(state, channels([f"webhook+http://{hook.place}/"]))
    lived(state, finding(), START + 200 * HOUR, START + 126 * HOUR)
    for n in range(4):
        outbox.deliver(START + (200 + n) * HOUR, wait_s=20)
    (message,) = told(hook)
    assert (message["kind"], message["title"]) == ("passed", "bike #1: data quality: hum was and is over (warning)")
    body = message["body"].splitlines()
    assert body[0] == (
        "It lasted 5 days, from 2023-11-15 04:13 UTC to 2023-11-20 04:13 UTC, and was over before it could be told. "
        "It was:"
    )
    assert body[1] == "hum: 120 rows hold one value."
    assert "Size: 120 rows." in body
    assert body[-1] == "Look: `fairlead incident 1`."


def test_what_comes_back_is_told_and_cleared_and_its_next_short_time_is_told_again(state: State, hook: Hook) -> None:
    outbox = Outbox(state, channels([f"webhook+http://{hook.place}/"]))
    lived(state, finding(), START, START)
    outbox.deliver(START, wait_s=20)
    state.put_finding(finding("f2", window=4))
    outbox.deliver(START + 60, wait_s=20)
    state.close_finding("f2", START + 90)
    outbox.deliver(START + 120, wait_s=20)
    lived(state, finding("f3", window=5), START + 180, START + 190)
    for _ in range(3):
        outbox.deliver(START + 240, wait_s=20)
    assert [m["kind"] for m in told(hook)] == ["passed", "notice", "all_clear", "passed"]


def test_what_is_no_news_is_not_told_when_it_is_over(state: State) -> None:
    outbox = Outbox(state)
    lived(state, finding("a", "x", "info"), START, START)
    lived(state, finding("b", "y"), START, START)
    outbox.sweep(START + FORGOTTEN_S + 1)
    assert outbox.messages() == [], "a note, and what was over a month ago"


def test_at_night_nobody_is_woken_for_what_is_over(state: State, hook: Hook) -> None:
    quiet = AlertSettings(quiet="22:00-07:00")
    outbox = Outbox(state, channels([f"webhook+http://{hook.place}/"]), settings=quiet)
    lived(state, finding(severity="critical"), START, START)
    outbox.deliver(START + HOUR, wait_s=20)
    assert told(hook) == []
    outbox.deliver(START + 12 * HOUR, wait_s=20)
    assert [m["kind"] for m in told(hook)] == ["passed"]


KILLED = """
import os, sys
from test_alerts_over_time import START, finding, lived
from fairlead.ops.alerts import Outbox, channels
from fairlead.ops.state import State
state = State.open(sys.argv[1])
lived(state, finding(), START, START)
if sys.argv[2] == "told":
    Outbox(state, channels([sys.argv[3]])).sweep(START)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("when", ["found", "told"])
def test_a_watcher_killed_before_it_could_tell_does_so_when_it_is_back(tmp_path: Path, hook: Hook, when: str) -> None:
    address = f"webhook+http://{hook.place}/"
    words = [sys.executable, "-c", KILLED, str(tmp_path / "state.db"), when, address]
    root = Path(__file__).parents[3]
    done = subprocess.run(words, cwd=root, env={"PYTHONPATH": f"{Path(__file__).parent}:{root}"}, check=False)
    assert done.returncode == -9
    outbox = Outbox(State.open(tmp_path / "state.db"), channels([address]))
    for n in range(3):
        outbox.deliver(START + 120 * (n + 1), wait_s=20)
    assert [m["kind"] for m in told(hook)] == ["passed"]


DELIVERS = """
import sys
from test_alerts_over_time import START
from fairlead.ops.alerts import Outbox, channels
from fairlead.ops.state import State
outbox = Outbox(State.open(sys.argv[1]), channels([sys.argv[2]]))
for minute in range(1000):
    outbox.deliver(START + 60.0 * minute, wait_s=20)
"""


def test_a_channel_that_is_down_for_an_hour_loses_and_repeats_nothing_also_when_the_watcher_is_killed(
    tmp_path: Path, hook: Hook
) -> None:
    address = f"webhook+http://{hook.place}/"
    state = State.open(tmp_path / "state.db")
    state.put_finding(finding("f1", "hum"))
    hook.answers = [503] * 1000
    root = Path(__file__).parents[3]
    watcher = subprocess.Popen(
        [sys.executable, "-c", DELIVERS, str(tmp_path / "state.db"), address],
        cwd=root, env={"PYTHONPATH": f"{Path(__file__).parent}:{root}"},
    )  # fmt: skip
    eventually(lambda: len(hook.answers) <= 996, what="a few tries")
    watcher.kill()
    watcher.wait()
    tries = max(row.attempts for row in state.deliveries())
    outbox = Outbox(state, channels([address]))
    # The watcher's clock went on until it was killed; the channel is down for an hour in all.
    began = START + sum(backoff_s(n) for n in range(1, tries + 1))
    state.put_finding(finding("f2", "wind"))
    for now in range(int(began), int(START + HOUR), 60):
        outbox.deliver(float(now), wait_s=20)
    state.close_finding("f1", START)
    hook.answers = []
    for now in range(int(START + HOUR), int(START + 3 * HOUR), 600):
        outbox.deliver(float(now), wait_s=20)
    assert sorted((m["kind"], m["title"].split(":")[0]) for m in told(hook)) == [
        ("all_clear", "bike #1"), ("notice", "bike #1"), ("notice", "bike #2"),
    ]  # fmt: skip
    assert outbox.undelivered() == []


def test_what_a_channel_missed_for_hours_reaches_it_when_it_works_again(state: State, hook: Hook) -> None:
    outbox = Outbox(state, channels([f"webhook+http://{hook.place}/"]))
    hook.answers = [503] * MAX_TRIES
    state.put_finding(finding("f1", "hum"))
    now = START
    for n in range(MAX_TRIES):
        outbox.deliver(now, wait_s=20)
        now += backoff_s(n + 1)
    assert [row.state for row in state.deliveries()] == ["failed"]
    state.put_finding(finding("f2", "wind"))
    for _ in range(3):
        outbox.deliver(now, wait_s=20)
        now += 60
    assert sorted(m["title"].split(":")[0] for m in told(hook)) == ["bike #1", "bike #2"], "each once"
    assert threading.active_count() < 20
