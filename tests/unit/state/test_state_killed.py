"""kill -9 at random moments: what is committed is whole, and nothing else is there."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fairlead.ops.audit import Audit
from fairlead.ops.state import State
from fairlead.runtime.bundle import SigningKey

WRITER = """
import sys
from pathlib import Path
from fairlead.contract.events import Decision, Window
from fairlead.ops.audit import Audit
from fairlead.ops.state import State
from fairlead.runtime.bundle import SigningKey
home = Path(sys.argv[1])
state = State.open(sys.argv[2])
audit = Audit(state, key=SigningKey.load(home / "seal.key"), head=home / "audit.head")
print("writing", flush=True)
n = int(state.get("cursor") or b"0")
while True:
    n += 1
    with state.transaction():
        state.put_window(Window("churn", n, n, n + 1), b"x" * 2000)
        state.plan(Decision(f"d{n}", "churn", "retrain", float(n), "why"))
        audit.record("rule", "plan", "churn", "why", {"n": n})
        state.put("cursor", str(n).encode())
    print(n, flush=True)
    state.start(f"d{n}")
    with state.transaction():
        audit.record("rule", "retrain", "churn", "why", {"n": n})
        state.finish(f"d{n}", "done")
"""


def kill_while_writing(home: Path, where: str, after: int, delay_s: float) -> int:
    """Start a writer, kill it `delay_s` after its `after`th step; the last step it told of."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(home), where], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    told = 0
    for _ in range(after):
        told = int(process.stdout.readline())
    killer = threading.Timer(delay_s, process.kill)
    killer.start()
    for line in process.stdout:
        if line.endswith("\n"):
            told = int(line)
    process.wait()
    killer.join()
    return told


def assert_whole(home: Path, where: str, told: int) -> None:
    state = State.open(where)
    key = SigningKey.load(home / "seal.key")
    report = Audit(state, key=key, head=home / "audit.head").verify()
    assert report.ok, report.why
    cursor = int(state.get("cursor") or b"0")
    assert cursor >= told, "what was told as committed is there"
    assert [window.index for window in state.windows("churn")] == list(range(1, cursor + 1))
    assert all(state.window_profile("churn", n) for n in (1, cursor))
    decisions = state.decisions(last=10**6)
    assert [row.decision.id for row in decisions] == [f"d{n}" for n in range(1, cursor + 1)]
    events = Audit(state).events()
    acted = {event.details["n"] for event in events if event.action == "retrain"}
    assert [event.details["n"] for event in events if event.action == "plan"] == list(range(1, cursor + 1))
    assert acted == {int(row.decision.id[1:]) for row in decisions if row.state == "finished"}
    state.close()


def rounds(home: Path, where: str, count: int, seed: int) -> None:
    SigningKey.create(home / "seal.key")
    dice = random.Random(seed)
    for _ in range(count):
        told = kill_while_writing(home, where, dice.randint(1, 3), dice.random() * 0.05)
        assert_whole(home, where, told)


def test_a_writer_killed_at_random_moments_leaves_whole_transactions(tmp_path: Path, where: str) -> None:
    rounds(tmp_path, where, 2, seed=1)


@pytest.mark.long
def test_a_writer_killed_at_many_random_moments_leaves_whole_transactions(tmp_path: Path, where: str) -> None:
    rounds(tmp_path, where, 60, seed=2)


def test_a_process_killed_while_it_makes_the_database_leaves_one_that_can_be_finished(where: str) -> None:
    code = "import sys; from fairlead.ops.state import State; print('imported', flush=True); State.open(sys.argv[1])"
    dice = random.Random(3)
    for n in range(2):
        path = where if "://" in where else f"{where}{n}"
        process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        killer = threading.Timer(dice.random(), process.kill)
        killer.start()
        process.wait()
        killer.join()
        with State.open(path) as state:
            state.put("a", b"1")
            assert state.generation() == 0
