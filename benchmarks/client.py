"""A load client that costs little: one process, uvloop, N keep-alive connections, each asking again when answered.

`python benchmarks/client.py PORT CONNECTIONS SECONDS BODYFILE PATH` prints requests, seconds, errors and latency
percentiles as one JSON object. It talks to 127.0.0.1 alone and stops by itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


class Connection(asyncio.Protocol):
    """Sends the same request again as soon as its answer is whole."""

    def __init__(self, requests: list[bytes], state: dict[str, object]) -> None:
        self.requests, self.state = requests, state
        self.buffer = b""
        self.number = 0
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.number += 1
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.number % len(self.requests)])  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : lower.find(b"\r", at) if lower.find(b"\r", at) > 0 else head].split(b"\r")[0])
        if len(self.buffer) < head + 4 + length:
            return
        self.state["latencies"].append(time.perf_counter() - self.sent)  # type: ignore[attr-defined]
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            self.state["errors"] += 1  # type: ignore[operator]
        self.buffer = b""
        if not self.state["stop"]:
            self.send()


async def main() -> None:
    port, connections, seconds, body_file, path = sys.argv[1:6]
    bodies = Path(body_file).read_bytes().split(b"\n")
    requests = [
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
        % (path.encode(), len(body), body)
        for body in bodies
        if body
    ]
    state: dict[str, object] = {"latencies": [], "errors": 0, "stop": False}
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(int(connections)):
        await loop.create_connection(lambda: Connection(requests, state), "127.0.0.1", int(port))
    await asyncio.sleep(float(seconds))
    state["stop"] = True
    taken = time.perf_counter() - started
    latencies = sorted(state["latencies"])  # type: ignore[call-overload]
    count = len(latencies)
    print(json.dumps({
        "requests": count,
        "seconds": taken,
        "errors": state["errors"],
        "p50_ms": round(latencies[count // 2] * 1e3, 3) if count else None,
        "p99_ms": round(latencies[int(count * 0.99)] * 1e3, 3) if count else None,
    }))  # fmt: skip


if __name__ == "__main__":
    uvloop.run(main())
