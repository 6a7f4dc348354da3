"""What a transport costs by itself: bare and granian, each answering the same constant through the same application.

Scenario `transport-constant-32`: server CPU µs a request, requests per second and latency at 32 keep-alive connections,
one worker; heads all alike, as a client of ours sends them, and heads of which no two are alike, as behind a balancer
that adds an id. Rounds alternate between the servers; median of five with range.

`python benchmarks/transport.py serve NAME PORT` is one of the servers, `... ask PORT HEADS` the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from client import Connection
from server import cpu_seconds, free_port, middle, running

CONNECTIONS, ROUNDS, SECONDS = 32, 5, 3.0
UNLIKE = 20_000
BODY = b'{"predictions":["' + b"x" * 60 + b'"]}'
ROW = b'{"tenure":3,"charges":20.5,"contract":"monthly","paperless":true,"note":"about as long as a row of a table"}'
HEADERS = [("content-type", "application/json"), ("x-request-id", "01890a5d-ac96-774b-bcce-b302099a8057")]


class Constant:
    """The application: the least that can be answered."""

    def __init__(self) -> None:
        from fairlead.contract.routes import Limits

        self._limits = Limits()

    def limits(self) -> Any:
        return self._limits

    def answer(self, requests: Sequence[Any]) -> None:
        for request in requests:
            request.reply(200, HEADERS, BODY)

    def close(self) -> None:
        """Nothing to let go of."""


def make(slot: int, settings: Mapping[str, Any]) -> Constant:
    """The factory that transports are given."""
    return Constant()


def serve(name: str, port: int) -> None:
    """One of the servers, until it is stopped."""
    from fairlead.contract.plugins import variant

    variant("transport", name)().serve("transport:make", "127.0.0.1", port, 1, {})


async def ask(port: int, heads: int) -> None:
    """Ask over keep-alive connections with so many different heads; prints what came of it."""
    lines = [b"" if heads == 1 else b"x-request-id: %032x\r\n" % number for number in range(heads)]
    start = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    requests = [start + line + b"content-length: %d\r\n\r\n" % len(ROW) + ROW for line in lines]
    state: dict[str, Any] = {"latencies": [], "errors": 0, "stop": False}
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for number in range(CONNECTIONS):
        own = requests[number * heads // CONNECTIONS :] + requests[: number * heads // CONNECTIONS]
        await loop.create_connection(lambda own=own: Connection(own, state), "127.0.0.1", port)
    await asyncio.sleep(SECONDS)
    state["stop"] = True
    taken = time.perf_counter() - began
    seen = sorted(state["latencies"])
    said = {"requests": len(seen), "seconds": taken, "errors": state["errors"]}
    said |= {f"p{share}_ms": round(seen[len(seen) * share // 100] * 1e3, 3) for share in (50, 99)}
    print(json.dumps(said))


def load(port: int, pid: int, heads: int) -> dict[str, Any]:
    """One round."""
    before = cpu_seconds(pid)
    words = [sys.executable, str(Path(__file__).resolve()), "ask", str(port), str(heads)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    result["cpu_us"] = (cpu_seconds(pid) - before) / max(result["requests"], 1) * 1e6
    result["rate"] = result["requests"] / result["seconds"]
    return result


def scenario() -> Iterator[dict[str, Any]]:
    """The one scenario."""
    from fairlead.contract.plugins import names

    with contextlib.ExitStack() as stack:
        servers: dict[str, tuple[int, int]] = {}
        for name in names("transport"):
            port = free_port()
            command = [sys.executable, str(Path(__file__).resolve()), "serve", name, str(port)]
            servers[name] = port, stack.enter_context(running(command, port))[0].pid
        results: dict[str, list[dict[str, Any]]] = {}
        for _ in range(ROUNDS):
            for heads in (1, UNLIKE):
                for name, (port, pid) in servers.items():
                    case = name if heads == 1 else f"{name}_unlike"
                    results.setdefault(case, []).append(load(port, pid, heads))
    answer: dict[str, Any] = {"scenario": "transport-constant-32", "connections": CONNECTIONS, "detail": {}}
    for case, found in results.items():
        base = results["granian_unlike" if case.endswith("_unlike") else "granian"]
        cpu = [f["cpu_us"] / b["cpu_us"] for f, b in zip(found, base, strict=True)]
        rate = [f["rate"] / b["rate"] for f, b in zip(found, base, strict=True)]
        answer[f"{case}_cpu_us"] = round(statistics.median(f["cpu_us"] for f in found), 2)
        answer[f"{case}_cpu_ratio"] = round(statistics.median(cpu), 2)
        answer[f"{case}_rate_ratio"] = round(statistics.median(rate), 2)
        answer["detail"][case] = {
            **{n: middle([f[n] for f in found]) for n in ("cpu_us", "rate", "p50_ms", "p99_ms")},
            "cpu_ratio_range": [round(min(cpu), 2), round(max(cpu), 2)],
            "rate_ratio_range": [round(min(rate), 2), round(max(rate), 2)],
            "errors": sum(f["errors"] for f in found),
        }
    yield answer


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["ask"]:
        import uvloop

        uvloop.run(ask(int(sys.argv[2]), int(sys.argv[3])))
    else:
        for result in scenario():
            print(json.dumps(result), flush=True)
