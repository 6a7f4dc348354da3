"""What the system says of the machine: sane where it says anything, -1 where it does not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fairlead.runtime.serve.observing import machine


def test_a_thread_that_computes_uses_its_processor() -> None:
    ident, native = threading.get_ident(), threading.get_native_id()
    before = machine.thread_cpu_s(ident)
    total = 0
    while machine.thread_cpu_s(ident) - before < 0.02:
        total += sum(range(1000))
    assert total
    assert machine.thread_waited_s(native) >= -1.0
    assert machine.thread_waited_s(2**30) == -1.0


def test_memory_and_disk_are_what_there_is(tmp_path: Path) -> None:
    free, total = machine.memory()
    assert 0 < free <= total
    free, total = machine.disk(tmp_path)
    assert 0 < free <= total
    assert machine.disk(tmp_path / "none") == (-1, -1)
    assert machine.resident_bytes() > 1 << 20


def test_shares_of_time_only_grow() -> None:
    for told in (machine.throttled_s, lambda: machine.pressure_s("io"), lambda: machine.machine_s()[0]):
        before = told()
        assert before >= 0 or before == -1.0
        assert told() >= before
    assert machine.pressure_s("none") == -1.0


def test_what_cannot_be_read_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Path, *args: object, **more: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", gone)
    assert machine.machine_s() == (-1.0, -1.0)
    assert machine.memory() == (-1, -1)
    assert machine.throttled_s() == -1.0
    assert machine.resident_bytes() == -1
