"""One step of a load test: a rate held for some seconds by several processes, and what it cost the server."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fairlead.contract.errors import RemoteError
from fairlead.reach.capacity.generator import KEY, Counted, Job
from fairlead.reach.capacity.latencies import Latencies
from fairlead.reach.capacity.measured import Step

LEAD_S = 0.7
"""From starting the generators until the first request is due: they import and connect meanwhile."""
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask what. pids: root processes of the server where they live on this machine, to see what they cost.

    secret: an API key, or empty; it goes to the generators by their environment.
    """

    url: str
    path: str
    bodies: tuple[str, ...]
    connections: int = 64
    processes: int = 1
    pids: tuple[int, ...] = ()
    secret: str = ""
    timeout_s: float = 10.0
    secure: bool = True


def step(target: Target, rate: float, seconds: float, seed: int = 0) -> Step:
    """Ask at `rate` for `seconds`. Raises RemoteError where a generator ended badly."""
    counted, cores, memory = _asked(target, rate, seconds, seed)
    took = sum((Latencies.of(one.latencies) for one in counted), Latencies())
    late = sum((Latencies.of(one.late) for one in counted), Latencies())
    errors: dict[str, int] = {}
    for one in counted:
        for why, count in one.errors.items():
            errors[why] = errors.get(why, 0) + count
    lasted = max(seconds, *(one.seconds for one in counted))
    low, high = took.bounds(0.99)
    return Step(
        rate=rate,
        answered=len(took) / lasted,
        requests=sum(one.sent for one in counted),
        errors=errors,
        p50_ms=_ms(took.quantile(0.5)),
        p90_ms=_ms(took.quantile(0.9)),
        p99_ms=_ms(took.quantile(0.99)),
        p999_ms=_ms(took.quantile(0.999)),
        max_ms=_ms(took.quantile(1.0)),
        p99_low_ms=_ms(low),
        p99_high_ms=_ms(high),
        late_p99_ms=_ms(late.quantile(0.99)),
        cpu_cores=round(cores, 4),
        memory_mb=round(memory / 2**20, 1),
        client_cores=round(sum(one.cpu_s for one in counted) / lasted, 4),
    )


def _asked(target: Target, rate: float, seconds: float, seed: int) -> tuple[list[Counted], float, int]:
    """What every generator counted, and cores and bytes of the server meanwhile."""
    share = max(1, target.processes)
    starts = time.monotonic() + LEAD_S
    environ = {name: said for name, said in os.environ.items() if name != KEY}
    environ |= {KEY: target.secret} if target.secret else {}
    running = []
    try:
        for number in range(share):
            job = Job(
                url=target.url, path=target.path, bodies=target.bodies, rate=rate / share, seconds=seconds,
                connections=max(1, target.connections // share), seed=seed * 1000 + number, starts=starts,
                timeout_s=target.timeout_s, secure=target.secure,
            )  # fmt: skip
            process = subprocess.Popen(
                [sys.executable, "-m", "fairlead.reach.capacity.generator"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ,
            )  # fmt: skip
            running.append(process)
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(job))
            process.stdin.close()
            process.stdin = None
        time.sleep(max(0.0, starts - time.monotonic()))
        begun, before = time.monotonic(), cpu_of(target.pids)
        time.sleep(max(0.0, starts + seconds - time.monotonic()))
        cores = (cpu_of(target.pids) - before) / (time.monotonic() - begun)
        memory = memory_of(target.pids)
        limit = seconds + target.timeout_s + 30.0
        counted = [_result(process, limit) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return counted, max(0.0, cores), memory


def _result(process: subprocess.Popen[bytes], limit_s: float) -> Counted:
    try:
        out, said = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise RemoteError(
            f"a load generator did not end within {limit_s:.0f} s: is this machine short of CPU?"
        ) from None
    try:
        return msgspec.json.decode(out, type=Counted)
    except (msgspec.MsgspecError, UnicodeError) as why:
        raise RemoteError(f"a load generator ended badly: {said.decode(errors='replace')[-300:]}") from why


def _ms(seconds: float) -> float | None:
    return round(seconds * 1000.0, 3) if math.isfinite(seconds) else None


def family(pids: Sequence[int]) -> set[int]:
    """Processes and all their descendants."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found


def cpu_of(pids: Sequence[int]) -> float:
    """CPU seconds of processes and their descendants so far."""
    total = 0.0
    for pid in family(pids) if pids else ():
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def memory_of(pids: Sequence[int]) -> int:
    """Bytes that processes and their descendants hold, what they share counted once (proportional set size)."""
    total = 0
    for pid in family(pids) if pids else ():
        with contextlib.suppress(OSError, StopIteration, ValueError, IndexError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total
