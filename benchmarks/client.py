"""The load client: open_loop.c, compiled when first used, or, where there is no compiler, what stands here.

`python benchmarks/client.py PORT CONNECTIONS SECONDS BODYFILE PATH [RATE]` prints requests, seconds, errors and latency
percentiles as one JSON object. It talks to 127.0.0.1 alone and stops by itself. N keep-alive connections ask again when
answered. With RATE, requests a second, it asks at Poisson times instead, over whichever connection is free; latency
then counts from the time a request was due, so that a server that stands still is not spared the requests that would
have come meanwhile. It costs 15-20 µs a request and spins between them, so beside the fastest servers on few cores it
measures itself, too; open_loop.c takes the same command line, costs less and sleeps.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

QUIET = Path(__file__).with_name("open_loop.c")


@functools.cache
def command() -> tuple[str, ...]:
    """What to put before the arguments: the compiled client, or this file."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is not None:
        folder = tempfile.mkdtemp(prefix="fairlead-client-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        program = str(Path(folder) / "open_loop")
        if subprocess.run([compiler, "-O2", "-o", program, str(QUIET), "-lm"], check=False).returncode == 0:
            return (program,)
    return (sys.executable, str(Path(__file__).resolve()))


def name() -> str:
    """Which client measures; results say it."""
    return QUIET.name if len(command()) == 1 else Path(__file__).name


class Connection(asyncio.Protocol):
    """Sends the same request again as soon as its answer is whole."""

    def __init__(self, requests: list[bytes], state: dict[str, object]) -> None:
        self.requests, self.state = requests, state
        self.buffer = b""
        self.number = 0
        self.sent = 0.0
        self.free: list[Connection] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.free is None:
            self.send()

    def send(self, due: float = 0.0) -> None:
        self.number += 1
        self.sent = due or time.perf_counter()
        self.transport.write(self.requests[self.number % len(self.requests)])  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:")
        if at < 0:
            # In chunks.
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return
            self.answered()
            return
        length = int(lower[at + 15 : lower.find(b"\r", at) if lower.find(b"\r", at) > 0 else head].split(b"\r")[0])
        if len(self.buffer) < head + 4 + length:
            return
        self.answered()

    def answered(self) -> None:
        self.state["latencies"].append(time.perf_counter() - self.sent)  # type: ignore[attr-defined]
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            self.state["errors"] += 1  # type: ignore[operator]
        self.buffer = b""
        if self.free is not None:
            waiting: list[float] = self.state["waiting"]  # type: ignore[assignment]
            if waiting:
                self.send(waiting.pop(0))
            else:
                self.free.append(self)
        elif not self.state["stop"]:
            self.send()


async def at_poisson_times(free: list[Connection], state: dict[str, object], rate: float, seconds: float) -> None:
    """Ask until `seconds` are over; what finds no free connection waits for one."""
    chance, began, due = random.Random(1), time.perf_counter(), 0.0
    waiting: list[float] = state["waiting"]  # type: ignore[assignment]
    while due < seconds:
        now = time.perf_counter() - began
        while due <= now:
            if free:
                free.pop().send(began + due)
            else:
                waiting.append(began + due)
            due += chance.expovariate(rate)
        await asyncio.sleep(0)


async def main() -> None:
    port, connections, seconds, body_file, path = sys.argv[1:6]
    bodies = Path(body_file).read_bytes().split(b"\n")
    requests = [
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
        % (path.encode(), len(body), body)
        for body in bodies
        if body
    ]
    state: dict[str, object] = {"latencies": [], "errors": 0, "stop": False, "waiting": []}
    rate = float(sys.argv[6]) if len(sys.argv) > 6 else 0.0
    loop = asyncio.get_running_loop()
    free: list[Connection] = []
    for at in range(int(connections)):
        made = Connection(requests, state)
        # So that connections do not all send the same row at once.
        made.number = at * 7
        if rate:
            made.free = free
            free.append(made)
        await loop.create_connection(lambda made=made: made, "127.0.0.1", int(port))  # type: ignore[misc]
    started = time.perf_counter()
    if rate:
        await at_poisson_times(free, state, rate, float(seconds))
    else:
        await asyncio.sleep(float(seconds))
    state["stop"] = True
    taken = time.perf_counter() - started
    latencies = sorted(state["latencies"])  # type: ignore[call-overload]
    count = len(latencies)
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}
    said = {"requests": count, "seconds": taken, "errors": state["errors"], "rate": count / taken}
    for key, share in shares.items():
        said[key] = round(latencies[min(int(count * share), count - 1)] * 1e3, 3) if count else None
    print(json.dumps(said))


if __name__ == "__main__":
    uvloop.run(main())
