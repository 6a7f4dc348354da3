"""How a supervised process ends when its supervisor does, even by kill -9. Imports stdlib alone."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

LIFELINE = "FAIRLEAD_LIFELINE"
"""Set for children: descriptor and inode of the pipe whose other end the supervisor holds, and its process id."""
TOKEN = "FAIRLEAD_UP"  # noqa: S105
"""Set for children and all they start: which `up` they belong to."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(grace_s: float = 15.0) -> bool:
    """Called by a child at its start: SIGTERM comes when the supervisor is gone, SIGKILL for its group `grace_s` later.

    On Linux the kernel sends the first; a thread that waits for the supervisor's pipe to close does the rest, and
    all of it elsewhere. False, and nothing happens, in a process that no supervisor started.
    """
    found = os.environ.pop(LIFELINE, "")
    try:
        fd, inode, parent = (int(part) for part in found.split(":"))
        about = os.fstat(fd)
    except (ValueError, OSError):
        return False
    # The number may mean another file by now, in a process that a child started.
    if not stat.S_ISFIFO(about.st_mode) or about.st_ino != inode:
        return False
    os.set_inheritable(fd, False)
    told = _ask_kernel() and os.getppid() == parent
    threading.Thread(target=_wait, args=(fd, told, grace_s), name="fairlead-lifeline", daemon=True).start()
    return True


def bearing(token: str) -> list[int]:
    """Processes that belong to the `up` of that token, this one excepted. Linux; elsewhere none are found."""
    mark = f"{TOKEN}={token}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or another user's
    return found


def end_all(token: str, within_s: float) -> int:
    """End what is left of an `up` that was killed: SIGTERM, then SIGKILL. How many there were."""
    left = bearing(token)
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while bearing(token) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(bearing(token), signal.SIGKILL)
    return len(left)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _ask_kernel() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _wait(fd: int, told: bool, grace_s: float) -> None:
    while os.read(fd, 1):
        pass
    # One SIGTERM, not two: many programs take a second one as "now".
    if not told:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
