"""Accepting a connection never makes the table of open files grow under load."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from asking import server

from fairlead.runtime.serve import live_workers


def room(pid: int | str) -> int:
    """How many files a process's table has room for."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("/proc, which says how large a table of open files is, is missing")
    return int(status.read_text().partition("FDSize:")[2].split()[0])


def test_a_worker_begins_with_room_for_many_connections(home: Path) -> None:
    with server(home):
        (worker,) = live_workers(home)
        assert room(worker.pid) >= min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64)


def test_a_limit_that_is_low_is_kept() -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); "
        "from fairlead.runtime.serve.transports.bare import make_room_for_files; make_room_for_files(0)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=300).returncode == 0
