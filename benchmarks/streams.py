"""Streams: messages per second and end-to-end latency of each broker, and of scoring alone for comparison.

Scenarios `streams-alone`, `streams-redis` and so on; arguments: messages, rounds, brokers. About three minutes, and a
broker that is not installed is passed over.

Throughput: messages that lie there are taken in batches of 256, answered with capture on, published, confirmed and
acknowledged; the clock runs from the first batch to the last acknowledgement. Latency: a process of its own publishes
single messages at a fixed rate; from just before a message is published until its answer is confirmed. Brokers are
local, with the settings of the tests: Redis syncs its file with every write, RabbitMQ's messages are persistent;
Kafka is librdkafka's mock, which holds everything in memory.
"""

# ruff: noqa: E402
from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Beside this file lies a profile.py, which others would take for Python's own.
sys.path[:] = [str(ROOT), *[place for place in sys.path if Path(place or ".").resolve() != Path(__file__).parent]]

from _pytest.outcomes import Skipped
from tests.journeys.streamed import deployed, mixed, rows
from tests.ports.brokers import SERVERS, Server

from fairlead.contract.plugins import variant
from fairlead.contract.streams import Message, Outgoing, Reading, address_of
from fairlead.reach.score.streams.desk import Desk
from fairlead.reach.score.streams.running import Running
from fairlead.reach.score.streams.telling import Tally
from fairlead.runtime.serve.worker import Worker

MESSAGES, ROUNDS, BATCH = 10_000, 3, 256
RATE, SECONDS, WARM_S = 200, 5.0, 1.0


class Timed:
    """A source or sink that notes when what was done."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.first = self.last = 0.0
        self.late: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def take(self, wait_s: float) -> list[Message]:
        got: list[Message] = await self._inner.take(wait_s)
        self.first = self.first or (time.perf_counter() if got else 0.0)
        return got

    async def done(self, messages: Sequence[Message]) -> None:
        await self._inner.done(messages)
        self.last = time.perf_counter()

    async def put(self, messages: Sequence[Outgoing]) -> None:
        await self._inner.put(messages)
        now = time.time()
        self.late += [now - float(one.id[1:]) for one in messages if one.id.startswith("t")]


def ends(server: Server, name: str) -> tuple[Timed, Timed, Any]:
    """Source, sink and dead letters of one measurement."""
    source, to, dead = (address_of(server.address(name + part)) for part in ("", "-out", "-dead"))
    broker = variant("broker", source.scheme)()
    reading = Reading(f"of-{name}", "one", BATCH)
    return Timed(broker.source(source, reading)), Timed(broker.sink(to)), broker.sink(dead)


def throughput(server: Server, desk: Desk, name: str, count: int) -> float:
    """Messages a second."""
    server.fill(name, mixed(rows(count)))
    source, sink, dead = ends(server, name)
    tally = Tally()
    asyncio.run(Running(source, sink, dead, desk, tally, print, once=True, every_s=1e9).run())
    assert (tally.answered, tally.refused) == (count, 0)
    return count / (source.last - source.first)


def latency(server: Server, desk: Desk, name: str) -> list[float]:
    """Seconds of each message after the first `WARM_S`, in order."""
    server.fill(name, mixed(rows(1)))
    source, sink, dead = ends(server, name)

    async def run() -> None:
        running = Running(source, sink, dead, desk, Tally(), print, every_s=1e9)
        whole = asyncio.create_task(running.run())
        while not source.last:
            await asyncio.sleep(0.05)
        words = [sys.executable, str(Path(__file__).resolve()), "publish", server.address(name)]
        publisher = await asyncio.create_subprocess_exec(*words)
        assert await asyncio.wait_for(publisher.wait(), 60 + SECONDS) == 0
        until = time.perf_counter() + 30
        while len(sink.late) < int(RATE * SECONDS) and time.perf_counter() < until:
            await asyncio.sleep(0.1)
        running.stop.set()
        await whole

    asyncio.run(run())
    assert len(sink.late) == int(RATE * SECONDS), len(sink.late)
    return sink.late[int(RATE * WARM_S) :]


async def publish(address: str) -> None:
    """Single messages at a fixed rate; each bears the moment just before it was published."""
    place = address_of(address)
    sink = variant("broker", place.scheme)().sink(place)
    body = json.dumps(next(iter(rows(1).values()))).encode()
    await sink.open()
    began = time.perf_counter()
    for number in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        await sink.put([Outgoing(f"t{time.time():.6f}", body, {})])
    await sink.close()


def alone(desk: Desk, count: int) -> float:
    """Messages a second of the desk: checks, model, capture, rendering."""
    messages = [Message(id, body) for id, body in mixed(rows(count))]
    began = time.perf_counter()
    for at in range(0, count, BATCH):
        desk.answer(messages[at : at + BATCH])
    return count / (time.perf_counter() - began)


def told(found: Sequence[float]) -> dict[str, float]:
    """Median and spread of rates."""
    return {"median": round(statistics.median(found)), "low": round(min(found)), "high": round(max(found))}


def main() -> None:
    """One line of JSON a broker, and one of scoring alone."""
    if sys.argv[1:2] == ["publish"]:
        asyncio.run(publish(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    with tempfile.TemporaryDirectory() as held:
        project = deployed(Path(held) / "loans")
        home = project / ".fairlead"
        worker = Worker(0, {"run": str(home / "run"), "instance": "bench-stream", "home": str(home), "role": "stream"})
        desk = Desk(worker.plane, "loans")
        desk.answer([Message("warm", b"{}")])
        rates = [alone(desk, count) for _ in range(rounds)]
        print(json.dumps({"scenario": "streams-alone", "messages": count, "messages_per_s": told(rates)}))
        for name in sys.argv[3:] or SERVERS:
            kind = SERVERS[name]
            try:
                server = kind(Path(held) / name)
            except Skipped as missing:
                sys.stderr.write(f"{name}: {missing.msg}\n")
                continue
            server.start()
            try:
                rates = [throughput(server, desk, f"t{number}", count) for number in range(rounds)]
                late = sorted(latency(server, desk, "l"))
            finally:
                server.kill()
            line = {
                "scenario": f"streams-{name}", "messages": count, "messages_per_s": told(rates), "rate": RATE,
                "p50_ms": round(1e3 * late[len(late) // 2], 1), "p99_ms": round(1e3 * late[int(len(late) * 0.99)], 1),
                "load": round(os.getloadavg()[0], 1),
            }  # fmt: skip
            print(json.dumps(line), flush=True)
        worker.plane.close()


if __name__ == "__main__":
    main()
