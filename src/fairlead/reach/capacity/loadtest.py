"""`fairlead loadtest`: a bundle's own server at several numbers of workers, or one that runs already, under load."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import ServerUnreachable, UsageError
from fairlead.reach.capacity.laddering import climbed, listed
from fairlead.reach.capacity.measured import Machine, Measured, PerReplica, Run, Step
from fairlead.reach.capacity.serving import measured_server
from fairlead.reach.capacity.stepping import Target, step

MOST_BODIES = 1000
MOST_WORKERS = 256
LEAST_REQUESTS = 600
"""In a step, whatever seconds were asked for: fewer say nothing of a 99th percentile's upper end."""

Say = Callable[[str], None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How to measure. rates: none climbs until the limit is met. rows: in one request. processes: of the generator."""

    p99_ms: float = 50.0
    seconds: float = 4.0
    rates: tuple[float, ...] = ()
    workers: tuple[int, ...] = (1,)
    connections: int = 64
    rows: int = 1
    processes: int = 1
    seed: int = 0


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: a sealed bundle and its route. rows: to be asked in turn."""

    model: str
    bundle: str
    version: int | None
    folder: Path
    signer: str
    native: bool
    fairlead: str
    rows: list[dict[str, Any]]


def check(asked: Asked) -> None:
    """Raises UsageError for what cannot be measured."""
    if not asked.workers or any(not 1 <= n <= MOST_WORKERS for n in asked.workers):
        raise UsageError(f"workers are from 1 to {MOST_WORKERS}, as --workers 1,2,4.")
    if any(not 0.1 <= rate <= 1e6 for rate in asked.rates):
        raise UsageError("rates are requests a second from 0.1 to 1,000,000, as --rates 100,200,400.")
    if not (0.5 <= asked.seconds <= 3600 and 1 <= asked.connections <= 10_000 and 1 <= asked.rows <= 10_000):
        raise UsageError("seconds of a step are from 0.5 to 3600, connections and rows from 1 to 10,000.")


def bodies_of(rows: Iterable[dict[str, Any]], size: int) -> tuple[str, ...]:
    """Bodies of `size` rows each, at most MOST_BODIES of them; rows come again where there are too few."""
    kept = list(islice(rows, MOST_BODIES * size))
    if not kept:
        raise UsageError("there are no rows to ask: give some with --data.")
    count = max(1, min(MOST_BODIES, len(kept) // size))
    chunks = [[kept[(at * size + k) % len(kept)] for k in range(size)] for at in range(count)]
    return tuple(json.dumps(chunk[0] if size == 1 else chunk) for chunk in chunks)


def measure_own(subject: Subject, asked: Asked, at: float, say: Say = lambda text: None) -> Measured:
    """The bundle's own server, started here at each number of workers, with capture on. Raises WorkersDied."""
    check(asked)
    bodies, runs = bodies_of(subject.rows, asked.rows), []
    for workers in sorted(set(asked.workers)):
        with measured_server(subject.folder, subject.signer, workers, native=subject.native) as (url, pid):
            target = _target(subject.model, url, bodies, asked, pids=(pid,))
            runs.append(_run(target, workers, asked, say))
    return _measured(subject, asked, at, tuple(runs), "own", True)


def measure_running(
    subject: Subject, asked: Asked, at: float, url: str, *, secret: str = "", secure: bool = True,
    workers: int = 1, here: bool = False, say: Say = lambda text: None,
) -> Measured:  # fmt: skip
    """A server that runs already; what is asked is captured there like any other request."""
    check(asked)
    target = _target(subject.model, url, bodies_of(subject.rows, asked.rows), asked, secret=secret, secure=secure)
    return _measured(subject, asked, at, (_run(target, workers, asked, say),), "running", here)


def _target(model: str, url: str, bodies: tuple[str, ...], asked: Asked, **more: Any) -> Target:
    return Target(url=url.rstrip("/"), path=f"/predict/{model}", bodies=bodies, connections=asked.connections,
                  processes=asked.processes, **more)  # fmt: skip


def _run(target: Target, workers: int, asked: Asked, say: Say) -> Run:
    """One number of workers. A short step first warms up server and generator and is not kept."""
    count = 0

    def ask(rate: float) -> Step:
        nonlocal count
        count += 1
        return step(target, rate, max(asked.seconds, LEAST_REQUESTS / rate), asked.seed + count)

    def told(found: Step) -> None:
        p99 = "-" if found.p99_ms is None else f"{found.p99_ms:.1f} ms"
        said = "carried" if found.carried(asked.p99_ms) else "not carried"
        say(f"{workers} worker{'' if workers == 1 else 's'}, {found.rate:,.0f}/s: p99 {p99}, {said}")

    warm = step(target, min(asked.rates, default=100.0), 1.0, asked.seed)
    if not warm.answered:
        why = ", ".join(f"{why} ({count})" for why, count in sorted(warm.errors.items()))
        raise ServerUnreachable(f"no request was answered with 200 at {target.url}{target.path}: {why}.")
    if asked.rates:
        return listed(workers, ask, asked.rates, say=told)
    return climbed(workers, ask, asked.p99_ms, say=told)


def _measured(
    subject: Subject, asked: Asked, at: float, runs: tuple[Run, ...], server: Any, here: bool
) -> Measured:  # fmt: skip
    return Measured(
        model=subject.model, bundle=subject.bundle, version=subject.version, fairlead=subject.fairlead, at=at,
        machine=machine(here), server=server, p99_ms=asked.p99_ms, seconds=asked.seconds,
        connections=asked.connections, rows=asked.rows, runs=runs, per_replica=per_replica(runs, asked.p99_ms),
    )  # fmt: skip


def per_replica(runs: tuple[Run, ...], p99_ms: float) -> PerReplica | None:
    """The most that one server carried for each worker that it had, and what it took for that; None if nothing."""
    best = [(step.rate / run.workers, run.workers, step) for run in runs if (step := run.best(p99_ms)) is not None]
    if not best:
        return None
    _, workers, step = max(best, key=lambda one: (one[0], -one[1]))
    return PerReplica(
        requests_per_s=step.rate, cpu_cores=step.cpu_cores, memory_bytes=int(step.memory_mb * 2**20),
        p99_s=(step.p99_ms or 0.0) / 1000.0, workers=workers,
    )  # fmt: skip


def machine(shared: bool) -> Machine:
    """This machine, without its name."""
    processor = platform.machine()
    memory = 0.0
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (OSError, ValueError):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(cores=cores, processor=processor, memory_mb=round(memory, 1), shared=shared)


def kept(measured: Measured, path: Path) -> Path:
    """Write the result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    data = msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n"
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path
