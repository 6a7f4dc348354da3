"""A native model in its own process: what it answers, and what its crashes, hangs and exceptions cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from native_samples import TERMS, Capricious, rows

from fairlead.contract.errors import Busy, DeadlineExceeded, NativeFailed
from fairlead.runtime.bundle import load

GOOD = [[10.0, "pro"], [60.0, None], [float("nan"), "never seen"]]


@pytest.fixture(scope="module")
def model(bundle, key):
    loaded = load(bundle, (key.public,), native=TERMS)
    yield loaded
    loaded.close()


def expected(given=GOOD):
    import pandas as pd

    return Capricious().predict_proba(pd.DataFrame(given, columns=["amount", "plan"]))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def eventually(holds, within_s=20.0):
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_it_answers_as_the_model_does_row_by_row_and_by_columns(model):
    assert np.array_equal(model.score_rows(GOOD), expected())
    many = rows(40_000)
    found = model.score_columns({n: many[n].where(many[n].notna(), None).to_numpy() for n in many})
    assert np.array_equal(found, Capricious().predict_proba(many))
    assert model.predict([{"amount": 99.0, "plan": "pro"}])[0]["label"] == "yes"
    assert model.score_columns({"amount": np.array([]), "plan": np.array([], object)}).shape == (0, 2)


@pytest.mark.parametrize("amount", [666.0, 667.0, 670.0], ids=["segfault", "exit", "memory"])
def test_a_crash_costs_one_request_and_a_restart(model, bundle, key, amount):
    if amount == 670.0:
        limited = msgspec.structs.replace(TERMS, memory_mb=4096)
        model = load(bundle, (key.public,), native=limited)
    before = model.process.pid
    with pytest.raises(NativeFailed) as failed:
        model.score_rows([[amount, "pro"]])
    if amount == 670.0:
        assert str(failed.value) == "the native model raised MemoryError"
    else:
        assert ("SIGSEGV" if amount == 666.0 else "code 3") in str(failed.value)
    assert np.array_equal(model.score_rows(GOOD), expected())
    assert (model.process.pid == before) == (amount == 670.0)


def test_an_exception_costs_no_restart_and_tells_no_cell(model):
    before = model.process.pid
    with pytest.raises(NativeFailed, match="raised RuntimeError") as failed:
        model.score_rows([[668.0, "pro"]])
    assert "secret" not in str(failed.value)
    assert model.process.pid == before


def test_a_hang_ends_at_the_deadline_and_the_process_with_it(bundle, key):
    model = load(bundle, (key.public,), native=msgspec.structs.replace(TERMS, deadline_s=1.0))
    before = model.process.pid
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        model.score_rows([[669.0, "pro"]])
    assert time.monotonic() - started < 10.0
    assert not alive(before)
    # Starting again takes longer than the deadline; who is patient is not told that it passed meanwhile.
    assert np.array_equal(model.score_rows(GOOD), expected())
    model.close()


def test_what_a_model_prints_is_no_answer(model):
    assert model.score_rows([[671.0, "pro"]]).shape == (1, 2)
    assert np.array_equal(model.score_rows(GOOD), expected())


def test_who_is_not_patient_is_told_to_come_back_while_it_starts_again(bundle, key):
    model = load(bundle, (key.public,), native=msgspec.structs.replace(TERMS, patient=False))
    os.kill(model.process.pid, signal.SIGKILL)
    with pytest.raises(NativeFailed):
        model.score_rows(GOOD)
    with pytest.raises(Busy) as busy:
        model.score_rows(GOOD)
    assert busy.value.retry_after_s >= 1
    eventually(lambda: model.process.pid is not None)
    assert np.array_equal(model.score_rows(GOOD), expected())
    model.close()


def test_restarts_come_later_each_time(bundle, key):
    from fairlead.runtime.native import process

    model = load(bundle, (key.public,), native=TERMS)
    waited = []
    for _ in range(3):
        with pytest.raises(NativeFailed):
            model.score_rows([[667.0, "pro"]])
        waited.append(model.process._again_at - time.monotonic())
        model.score_rows(GOOD)
    assert waited[0] <= 0.0 < waited[1] <= process.BACK_OFF_S[1] < waited[2] <= process.BACK_OFF_S[2]
    model.close()


def test_killed_again_and_again_under_load_every_request_is_answered_or_told(bundle, key):
    model = load(bundle, (key.public,), native=msgspec.structs.replace(TERMS, deadline_s=5.0))
    right, told, wrong = [], [], []
    over = threading.Event()

    def ask():
        while not over.is_set():
            try:
                (right if np.array_equal(model.score_rows(GOOD), expected()) else wrong).append(1)
            except (NativeFailed, DeadlineExceeded) as failed:
                told.append(failed)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        pid = model.process.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        already = len(right)
        eventually(lambda pid=pid: model.process.pid not in (None, pid))
        eventually(lambda already=already: len(right) > already + 20)
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 1 <= len(told) <= 3
    model.close()


def test_submitted_rows_are_answered_together_and_one_that_raises_fails_alone(model):
    answers: dict[int, object] = {}
    ready = threading.Event()

    def done(at):
        def take(answer):
            answers[at] = answer
            if len(answers) == 30:
                ready.set()

        return take

    for at in range(30):
        model.submit([[668.0 if at == 7 else float(at), "pro"]], done(at))
    assert ready.wait(20.0)
    assert isinstance(answers.pop(7), NativeFailed)
    for at, answer in answers.items():
        assert np.array_equal(answer, expected([[float(at), "pro"]]))


def test_a_submission_beyond_the_bound_is_turned_away(bundle, key):
    from fairlead.runtime.native.desk import WAITING

    model = load(bundle, (key.public,), native=msgspec.structs.replace(TERMS, deadline_s=2.0))
    answers: list[object] = []
    model.submit([[669.0, "pro"]], answers.append)
    # Else those after it would be taken along with it, and make room.
    eventually(lambda: not model._desk._queue._waiting)
    for _ in range(WAITING + 5):
        model.submit([[1.0, "pro"]], answers.append, 1.0)
    assert sum(isinstance(a, Busy) for a in answers) >= 4
    eventually(lambda: len(answers) == WAITING + 6)
    assert any(isinstance(a, DeadlineExceeded) for a in answers)
    model.close()


def test_the_process_ends_with_its_model(bundle, key):
    model = load(bundle, (key.public,), native=TERMS)
    pid = model.process.pid
    del model
    eventually(lambda: not alive(pid))


def test_the_process_ends_with_its_parent_even_while_it_hangs_and_its_folder_at_the_next_start(
    bundle, key, tmp_path, monkeypatch
):
    program = f"""
import sys, threading
from fairlead.runtime.bundle import load
from fairlead.runtime.native import NativeTerms
model = load({str(bundle)!r}, ({key.public!r},), native=NativeTerms())
threading.Thread(target=model.score_rows, args=([[669.0, "pro"]],), daemon=True).start()
print(model.process.pid, flush=True)
sys.stdin.read()
"""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    )
    pid = int(parent.stdout.readline())
    assert alive(pid)
    (left,) = tmp_path.iterdir()
    (left / "of the model").write_text("rows")
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    eventually(lambda: not alive(pid))
    assert (left / "of the model").exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load(bundle, (key.public,), native=TERMS).close()
    assert list(tmp_path.iterdir()) == []


def test_a_fork_has_a_process_of_its_own_and_leaves_the_first_alone(model):
    before = model.process.pid
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = model.score_rows(GOOD).tolist()
            os.write(write, json.dumps([model.process.pid, answer]).encode())
            model.close()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        pid, answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert pid != before
    assert answer == expected().tolist()
    assert model.process.pid == before
    assert np.array_equal(model.score_rows(GOOD), expected())


def test_the_process_that_asks_loads_none_of_the_models_libraries(bundle, key):
    program = f"""
import sys, json
from fairlead.runtime.bundle import load
from fairlead.runtime.native import NativeTerms
model = load({str(bundle)!r}, ({key.public!r},), native=NativeTerms())
model.score_rows([[1.0, "pro"]])
maps = open("/proc/self/maps").read()
theirs = open(f"/proc/{{model.process.pid}}/maps").read()
print(json.dumps([sorted({{n.partition(".")[0] for n in sys.modules}}), "pandas" in maps, "pandas" in theirs]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    modules, ours, theirs = json.loads(done.stdout)
    assert not {"pandas", "sklearn", "scipy", "mlflow", "joblib", "skops"} & set(modules)
    assert theirs
    assert not ours


def test_it_sees_no_secret_of_the_environment(model, monkeypatch):
    from fairlead.runtime.native.link import environment

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("FAIRLEAD_API_KEY", "x")
    seen = environment("/tmp")
    assert "x" not in seen.values()
    assert seen["PATH"] == os.environ["PATH"]


def test_libraries_of_a_model_tell_their_makers_nothing(monkeypatch):
    from fairlead.runtime.native.link import environment

    for name, off in {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
        monkeypatch.delenv(name, raising=False)
        assert environment("/tmp").get(name) == off
        monkeypatch.setenv(name, "said otherwise")
        assert environment("/tmp")[name] == "said otherwise"
