"""What live workers say of themselves, in `run/`, and waiting until all of them obey the published routes."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import msgspec

from fairlead.runtime.serve.routes import write_atomic

STALE_S = 30.0
"""A worker of another machine that has not said anything for so long is taken as gone."""


class WorkerStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One worker. state: starting -> serving -> stopping. generation: of the routes it answers with.

    role: "" answers whoever connects, "batch" is the lane of large requests. refused: why it did not take
    `refused_generation`; it then goes on with `generation`. scheme: http, or https where it has a certificate.
    """

    pid: int
    slot: int
    instance: str
    machine: str
    birth: str
    state: str
    generation: int
    host: str = ""
    port: int = 0
    started: float = 0.0
    models: tuple[str, ...] = ()
    role: str = ""
    refused: str = ""
    refused_generation: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where a program on this machine reaches it."""
        return url_of(self.scheme, self.host, self.port)


class Confirmation(msgspec.Struct, frozen=True):
    """Whether every live worker answers with a generation. workers: how many are live. refused: reasons, if any."""

    confirmed: bool
    workers: int
    refused: tuple[str, ...] = ()


def url_of(scheme: str, host: str, port: int) -> str:
    """Where a person or a program on this machine reaches what listens on an address."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"{scheme}://[{reached}]:{port}" if ":" in reached else f"{scheme}://{reached}:{port}"


def birth(pid: int) -> str:
    """What tells a process from a later one with the same id; empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def status_path(home: Path, instance: str, slot: int) -> Path:
    """Where a worker reports."""
    return Path(home) / "run" / f"worker-{instance}-{slot}.json"


def report(home: Path, status: WorkerStatus) -> None:
    """Replace the worker's report."""
    write_atomic(status_path(home, status.instance, status.slot), msgspec.json.encode(status), mode=0o644)


def is_alive(status: WorkerStatus, path: Path) -> bool:
    """Whether the worker that wrote a report lives; of another machine, whether it wrote lately."""
    if status.machine != socket.gethostname():
        try:
            return time.time() - path.stat().st_mtime < STALE_S
        except OSError:
            return False
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return status.birth == birth(status.pid)


def live_workers(home: Path, lanes: bool = False) -> list[WorkerStatus]:
    """Workers that live now, by instance and slot. lanes: with those that answer large requests alone."""
    found = []
    for path in sorted((Path(home) / "run").glob("worker-*.json")):
        try:
            status = msgspec.json.decode(path.read_bytes(), type=WorkerStatus)
        except (OSError, msgspec.MsgspecError, UnicodeError):
            continue
        if status.state != "stopping" and (lanes or not status.role) and is_alive(status, path):
            found.append(status)
    return found


def confirm(home: Path, generation: int, timeout_s: float = 10.0) -> Confirmation:
    """Wait until every live worker answers with `generation` or a later one.

    Comes back at once when there is no worker, or when one refuses; else after `timeout_s` unconfirmed.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        live = live_workers(home, lanes=True)
        workers = sum(not worker.role for worker in live)
        refused = tuple(dict.fromkeys(w.refused for w in live if w.refused_generation >= generation and w.refused))
        if refused or not live:
            return Confirmation(False, workers, refused)
        if all(worker.generation >= generation for worker in live):
            return Confirmation(True, workers)
        if time.monotonic() >= deadline:
            late = [w.slot for w in live if w.generation < generation]
            return Confirmation(False, workers, (f"no word from workers {late} within {timeout_s:g} s",))
        time.sleep(0.02)
