"""The bare transport over real sockets: streams cut anywhere, answers in any order, many idle, ends in time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import eventually
from tests.ports.transport_peer import Peer, Server, cpu_s, get, post, serving

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.transports.http import gather as gathering
from fairlead.runtime.serve.transports.http.connection import DEPTH, Connection
from fairlead.runtime.serve.transports.http.gather import Gather


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving("bare", limits={"max_queue": 4096}) as one:
        yield one


def chunked(body: bytes) -> bytes:
    size = max(1, len(body) // 3)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    said = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /chunks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + said + b"0\r\n\r\n"


REQUESTS = st.one_of(
    st.integers(0, 5).map(lambda n: get(f"/get/{n}")),
    st.integers(0, 5).map(lambda n: get(f"/get/{n}", "x-request-id: " + "r" * n)),
    st.binary(max_size=300).map(post),
    st.binary(max_size=90).map(chunked),
    st.integers(0, 8).map(lambda ms: get(f"/later/{ms}?ms={ms}")),
    st.just(b"\r\n" + get("/after-an-empty-line")),
)


def answers(port: int, data: bytes, cuts: Sequence[int], count: int) -> list[Any]:
    """What came back, without what differs by time."""
    with Peer(port) as peer:
        at = 0
        for end in [*sorted(cuts), len(data)]:
            peer.send(data[at:end])
            at = max(at, end)
        found = [peer.answer().json for _ in range(count)]
        return [{k: v for k, v in one.items() if k not in {"tick", "pid"}} for one in found]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(REQUESTS, min_size=1, max_size=12), seed=st.randoms(use_true_random=False))
def test_a_stream_cut_anywhere_gives_the_same_answers(running: Server, requests: list[bytes], seed: Any) -> None:
    data = b"".join(requests)
    cuts = [seed.randrange(len(data)) for _ in range(seed.randrange(12))]
    whole = answers(running.port, data, [], len(requests))
    assert answers(running.port, data, cuts, len(requests)) == whole


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(REQUESTS, min_size=1, max_size=4),
    changes=st.lists(
        st.tuples(st.integers(0, 10**6), st.binary(max_size=3), st.integers(0, 4)), min_size=1, max_size=4
    ),
)
def test_requests_with_bytes_changed_are_answered_or_refused_and_hurt_nobody(
    running: Server, requests: list[bytes], changes: list[tuple[int, bytes, int]]
) -> None:
    data = bytearray(b"".join(requests))
    for place, new, old in changes:
        at = place % (len(data) + 1)
        data[at : at + old] = new
    with Peer(running.port) as peer:
        peer.send(bytes(data))
        peer.stop_sending()
        said = b""
        with contextlib.suppress(ConnectionError):
            while piece := peer.socket.recv(65536):
                said += piece
    assert b"HTTP/1.1 500" not in said
    assert b"Traceback" not in said
    with Peer(running.port) as other:
        assert other.ask(get("/echo")).code == 200


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delays=st.lists(st.integers(0, 25), min_size=2, max_size=DEPTH + 10))
def test_answers_keep_the_order_of_their_requests_however_late_they_are(running: Server, delays: list[int]) -> None:
    with Peer(running.port) as peer:
        peer.send(b"".join(get(f"/later/{n}?ms={ms}") if ms else get(f"/at-once/{n}") for n, ms in enumerate(delays)))
        paths = [peer.answer().json["path"] for _ in delays]
    assert paths == [f"/later/{n}" if ms else f"/at-once/{n}" for n, ms in enumerate(delays)]


def test_the_newest_may_be_answered_first_and_still_waits_its_turn(running: Server) -> None:
    with Peer(running.port) as peer, Peer(running.port) as other:
        peer.send(b"".join(get(f"/hold/{n}") for n in range(5)))
        eventually(lambda: other.ask(get("/held")).json[0] == 5, 30.0, "five are held")
        assert other.ask(get("/release")).json == 5
        assert [peer.answer().json["path"] for _ in range(5)] == [f"/hold/{n}" for n in range(5)]


def test_pipelined_answers_of_a_tick_are_one_write(running: Server) -> None:
    def writes() -> int:
        lines = Path(f"/proc/{running.workers()[0]}/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("syscw")).split()[1])

    with Peer(running.port) as peer:
        assert peer.ask(get("/echo")).code == 200
        before = writes()
        peer.send(get("/echo") * 20)
        assert [peer.answer().code for _ in range(20)] == [200] * 20
        # Besides the answers a sweep may have had something to say.
        assert writes() - before <= 3


def test_a_continue_waits_for_the_answers_before_it(running: Server) -> None:
    with Peer(running.port) as peer, Peer(running.port) as other:
        peer.send(get("/hold") + b"POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        eventually(lambda: other.ask(get("/held")).json[0] == 1, 30.0, "one is held")
        other.ask(get("/release"))
        assert [peer.answer().code, peer.answer().code] == [200, 100]
        assert peer.ask(b"ok").json["size"] == 2


def test_thousands_of_idle_connections_cost_little_and_hold_nobody_up(running: Server) -> None:
    count = 3000
    with Peer(running.port) as busy:
        busy.ask(get("/echo"))
        before = running.memory_kb()
        idle = []
        try:
            for _ in range(count):
                one = socket.create_connection(("127.0.0.1", running.port))
                idle.append(one)
            half = idle[: count // 2]
            for one in half:
                one.sendall(b"GET /ha")
            with Peer(running.port) as last:
                assert last.ask(get("/echo")).code == 200
            assert (running.memory_kb() - before) / count < 6, "KiB a connection"
            pid, asked = running.workers()[0], 300
            began = cpu_s(pid)
            for _ in range(asked):
                assert busy.ask(post(b"{}")).code == 200
            # Processor time, which nobody else on the machine takes; a tick of the clock that counts it is 10 ms.
            assert (cpu_s(pid) - began) / asked < 0.005
        finally:
            for one in idle:
                one.close()


def test_a_drain_ends_in_time_even_if_the_application_does_not_answer() -> None:
    with serving("bare", grace_s=2.0) as one, Peer(one.port) as held, Peer(one.port) as other:
        held.send(get("/hold"))
        eventually(lambda: other.ask(get("/held")).json[0] == 1, 30.0, "one is held")
        began = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - began < 12.0, "nothing else would end it: what it waits for does not come"
        assert held.ended()
        assert "cut off" in one.log


class _Forgetful:
    """Says that it will answer, and does not."""

    def limits(self) -> Limits:
        return Limits(timeout_s=0.05, max_queue=1)

    def answer(self, requests: Sequence[Request]) -> None:
        for request in requests:
            request.later = True

    def close(self) -> None:
        """Nothing to let go of."""


def test_what_the_application_lost_sight_of_is_given_up_and_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LATE_S", 0.1)
    said: list[bytes] = []

    async def both() -> None:
        loop = asyncio.get_running_loop()
        gather = Gather(_Forgetful(), loop, ServeSettings())
        for _ in range(2):
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                end.setblocking(False)
            await loop.connect_accepted_socket(lambda: Connection(gather), theirs)
            await loop.sock_sendall(ours, get("/x"))
            said.append(await asyncio.wait_for(loop.sock_recv(ours, 4096), 5.0))
            ours.close()
        await gather.drain(1.0)

    uvloop.run(both())
    assert [one.split(b" ")[1] for one in said] == [b"504", b"504"]
