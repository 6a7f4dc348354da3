"""Bodies and answers of many megabytes, over every transport: whole, in order, bounded, and in nobody's way.

A transport that stores them (`runtime.serve.stored`) leaves no file behind, whatever becomes of the client.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually
from tests.ports.transport_certificates import Authority
from tests.ports.transport_peer import Answer, Closed, Peer, Server, get, post, serving

from fairlead.contract.plugins import names

BOUND = 262_144
BOUNDS: dict[str, Any] = {
    "limits": {"max_body_bytes": 48_000_000, "timeout_s": 30.0, "max_queue": 128, "batch_bytes": BOUND},
    "server": {"header_s": 30.0, "keep_alive_s": 30.0},
}
HASTY: dict[str, Any] = {"limits": {**BOUNDS["limits"], "timeout_s": 1.5}}
"""For what is given up; 48 MB may take longer than that where others use the machine, too."""
LONGEST_MS = 10.0
CHUNKED = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
STORES = {"bare"}
"""Transports that store large bodies; the others hand them over whole."""
STORED_ONLY = frozenset(
    {
        "test_a_client_that_stopped_sending_gets_its_large_answer",
        "test_a_slow_reader_of_large_answers_costs_little_memory",
        "test_who_does_not_read_a_large_answer_is_given_up",
        "test_a_large_body_is_turned_away_before_it_is_sent",
        "test_no_large_request_holds_up_the_loop",
    }
)
"""What is promised of transports that store."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "transport" in metafunc.fixturenames:
        stored = metafunc.function.__name__ in STORED_ONLY
        able = [name for name in names("transport") if name in STORES or not stored]
        metafunc.parametrize("transport", able, scope="module")


@pytest.fixture(scope="module")
def running(transport: str) -> Iterator[Server]:
    with serving(transport, **BOUNDS) as one:
        yield one


@pytest.fixture(scope="module")
def hasty(transport: str) -> Iterator[Server]:
    with serving(transport, **HASTY) as one:
        yield one


@pytest.fixture
def peer(running: Server) -> Iterator[Peer]:
    with Peer(running.port) as one:
        yield one


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def chunked(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def files(server: Server) -> list[int]:
    """Stored now, and bodies that were stored at all."""
    with Peer(server.port) as other:
        found: list[int] = other.ask(get("/files")).json
        return found


def nothing_is_left(server: Server) -> None:
    eventually(lambda: files(server)[0] == 0, 30.0, "the files are closed")


@pytest.mark.parametrize("size", [65_536, BOUND - 1, BOUND, BOUND + 1, 1_000_001, 9_000_000])
def test_bodies_around_the_bound_arrive_as_they_were_sent(transport: str, running: Server, size: int) -> None:
    body = noise(size)
    before = files(running)[1]
    with Peer(running.port) as peer:
        said = peer.ask(post(body, "/echo/it?a=1", "x-request-id: r-1")).json
        assert (said["size"], said["hash"], said["path"], said["query"]) == (size, digest(body), "/echo/it", "a=1")
        assert said["headers"]["x-request-id"] == "r-1"
        assert peer.ask(get("/echo")).code == 200
    assert files(running) == [0, before + (transport in STORES and size > BOUND)]


@pytest.mark.parametrize("piece", [997, 65_536, 5_000_000])
def test_large_bodies_in_chunks(transport: str, running: Server, piece: int) -> None:
    body = noise(3_000_000)
    before = files(running)[1]
    with Peer(running.port) as peer:
        # With the next request right behind it.
        peer.send(CHUNKED % b"/echo/one" + chunked(body, piece) + post(b"two", "/echo/two"))
        said = [peer.answer().json for _ in range(2)]
    assert [(one["path"], one["hash"]) for one in said] == [("/echo/one", digest(body)), ("/echo/two", digest(b"two"))]
    assert files(running) == [0, before + (transport in STORES)]


def test_a_large_body_may_come_in_any_pieces(peer: Peer) -> None:
    body, chance = noise(700_000), random.Random(1)
    for data in (post(body), CHUNKED % b"/echo" + chunked(body, 50_000)):
        at = 0
        while at < len(data):
            size = chance.choice([1, 100, 65_535, 65_536, 200_000])
            peer.send(data[at : at + size])
            at += size
        assert peer.answer().json["hash"] == digest(body)


def test_requests_around_a_large_one_are_answered_in_order(running: Server) -> None:
    body = noise(2_000_000)
    with Peer(running.port) as peer:
        asked = [
            get("/later/1?ms=60"),
            post(body, "/echo/2"),
            post(b"x", "/echo/3"),
            post(body, "/stored/4?bytes=3000000&ms=30"),
            get("/echo/5"),
            get("/later/6?ms=20"),
            post(body, "/echo/7"),
        ]
        sender = threading.Thread(target=peer.send, args=(b"".join(asked),))
        sender.start()
        answers = [peer.answer() for _ in asked]
        sender.join()
    assert {one.code for one in answers} == {200}
    assert answers[3].body == b"x" * 3_000_000
    paths = [one.json["path"] for at, one in enumerate(answers) if at != 3]
    assert paths == ["/later/1", "/echo/2", "/echo/3", "/echo/5", "/later/6", "/echo/7"]
    assert answers[1].json["hash"] == answers[6].json["hash"] == digest(body)
    nothing_is_left(running)


def test_several_large_ones_at_once(running: Server) -> None:
    said: dict[int, Answer] = {}

    def ask(number: int) -> None:
        with Peer(running.port, within_s=30.0) as peer:
            said[number] = peer.ask(post(noise(5_000_000 + number), "/echo"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    with Peer(running.port) as small:
        while any(thread.is_alive() for thread in threads):
            assert small.ask(post(b"small")).json["size"] == 5
    assert {number: one.json["hash"] for number, one in said.items()} == {
        number: digest(noise(5_000_000 + number)) for number in range(8)
    }
    nothing_is_left(running)


def test_a_large_answer_ends_as_the_client_says(running: Server) -> None:
    body = noise(400_000)
    with Peer(running.port) as last:
        answer = last.ask(post(body, "/stored?bytes=2000000", "connection: close"))
        assert answer.close
        assert len(answer.body) == 2_000_000
        assert last.ended()
    with Peer(running.port) as old:
        answer = old.ask(b"GET /stored?bytes=2000000 HTTP/1.0\r\n\r\n")
        assert len(answer.body) == 2_000_000
    with Peer(running.port) as asks:
        answer = asks.ask(b"HEAD /stored?bytes=2000000 HTTP/1.1\r\nhost: x\r\n\r\n", head=True)
        assert answer.headers["content-length"] == "2000000"
        assert asks.ask(get("/echo")).code == 200
    nothing_is_left(running)


def test_a_client_that_stopped_sending_gets_its_large_answer(running: Server) -> None:
    with Peer(running.port) as peer:
        peer.send(post(noise(400_000), "/stored?bytes=5000000&ms=20"))
        peer.stop_sending()
        assert len(peer.answer().body) == 5_000_000
        assert peer.ended()


def test_a_client_that_goes_away_leaves_nothing(running: Server) -> None:
    body = noise(6_000_000)
    for rude in (Peer.reset, lambda peer: peer.socket.close()):
        halfway = Peer(running.port)
        halfway.send(post(body)[:3_000_000])
        rude(halfway)
        chunks = Peer(running.port)
        chunks.send((CHUNKED % b"/echo" + chunked(body, 100_000))[:3_000_000])
        rude(chunks)
        waiting = Peer(running.port)
        waiting.send(post(body, "/later?ms=300"))
        rude(waiting)
        reading = Peer(running.port, receive=65_536)
        reading.send(post(body, "/stored?bytes=20000000") + get("/stored?bytes=20000000"))
        assert reading.socket.recv(10)
        rude(reading)
    nothing_is_left(running)
    with Peer(running.port) as peer:
        assert peer.ask(post(body)).json["hash"] == digest(body)


def test_a_slow_reader_of_large_answers_costs_little_memory(running: Server) -> None:
    with Peer(running.port, receive=65_536) as slow, Peer(running.port) as other:
        before = running.memory_kb()
        slow.send(get("/stored?bytes=20000000") + get("/echo"))
        assert slow.socket.recv(1) == b"H"
        most = 0
        for _ in range(50):
            assert other.ask(get("/echo")).code == 200
            most = max(most, running.memory_kb() - before)
        assert most < 5_000
        slow._buffer = b"H"
        assert len(slow.answer().body) == 20_000_000
        assert slow.answer().json["path"] == "/echo"
    nothing_is_left(running)


def test_who_does_not_read_a_large_answer_is_given_up(hasty: Server) -> None:
    with Peer(hasty.port, receive=4096) as slow:
        slow.send(get("/stored?bytes=30000000"))
        assert slow.socket.recv(1) == b"H"
        assert files(hasty)[0] == 1
        nothing_is_left(hasty)
        with pytest.raises(Closed):
            slow.answer()


def test_a_large_body_that_does_not_come_is_given_up(hasty: Server) -> None:
    with Peer(hasty.port) as slow, Peer(hasty.port) as chunks:
        slow.send(post(noise(5_000_000))[:1_000_000])
        chunks.send((CHUNKED % b"/echo" + chunked(noise(5_000_000), 100_000))[:1_000_000])
        assert slow.answer().code == 408
        assert chunks.answer().code == 408
    nothing_is_left(hasty)


def test_more_than_a_body_may_have_is_refused(running: Server) -> None:
    with Peer(running.port) as stated:
        stated.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 48000001\r\n\r\n")
        assert stated.answer().code == 413
    with Peer(running.port) as chunks:
        data = CHUNKED % b"/" + chunked(b"x" * 49_000_000, 1 << 20)
        sender = threading.Thread(target=_send_if_taken, args=(chunks, data))
        sender.start()
        assert chunks.answer().code == 413
        sender.join(20)
    nothing_is_left(running)


def _send_if_taken(peer: Peer, data: bytes) -> None:
    try:
        peer.send(data)
    except (*Closed, TimeoutError):
        pass


def test_a_large_body_is_turned_away_before_it_is_sent(running: Server) -> None:
    before = files(running)[1]
    for more in ("x-turn: away", "x-turn: away\r\nexpect: 100-continue"):
        with Peer(running.port) as peer:
            peer.send(f"POST / HTTP/1.1\r\nhost: x\r\n{more}\r\ncontent-length: 9000000\r\n\r\n".encode())
            answer = peer.answer()
            assert (answer.code, answer.close) == (401, True)
            assert peer.ended()
    with Peer(running.port) as peer:
        sender = threading.Thread(target=_send_if_taken, args=(peer, post(noise(9_000_000), "/", "x-turn: away")))
        sender.start()
        assert peer.answer().code == 401
        sender.join(20)
    with Peer(running.port) as peer:
        # In its turn, where others wait before it.
        peer.send(get("/later/1?ms=50") + post(noise(1_000_000), "/", "x-turn: away")[:300_000])
        assert [peer.answer().code for _ in range(2)] == [200, 401]
    assert files(running) == [0, before]


def test_stored_bodies_of_all_connections_are_bounded_together() -> None:
    limits = {"max_body_bytes": 1_000_000, "timeout_s": 30.0, "batch_bytes": BOUND}
    with serving("bare", limits=limits) as one:
        peers = [Peer(one.port) for _ in range(24)]
        for each in peers:
            each.send(post(noise(1_000_000))[:950_000])
        with Peer(one.port) as other:
            eventually(lambda: other.ask(get("/files")).json[0] == 16, 30.0, "as many as may be are held")
        for each in peers:
            _send_if_taken(each, post(noise(1_000_000))[950_000:])
        codes = sorted(each.answer().code for each in peers)
        for each in peers:
            each.socket.close()
        assert codes == [200] * 16 + [503] * 8
        nothing_is_left(one)


def test_no_large_request_holds_up_the_loop(running: Server) -> None:
    """In processor time of the loop, so that a busy machine does not matter. Joining 40 MB takes more than that."""
    body = noise(40_000_000)
    with Peer(running.port) as other, Peer(running.port) as large:
        other.ask(get("/longest"))
        # All but a byte: what the application does with it is not the question.
        large.send(post(body)[:-1])
        eventually(lambda: other.ask(get("/files")).json[0] == 1, 30.0, "it is stored")
        assert other.ask(get("/longest")).json < LONGEST_MS
    nothing_is_left(running)
    with Peer(running.port) as other, Peer(running.port, receive=65_536) as large:
        large.send(get("/stored?bytes=12000000"))
        assert large.socket.recv(1) == b"H"
        other.ask(get("/longest"))
        large._buffer = b"H"
        assert len(large.answer().body) == 12_000_000
        assert other.ask(get("/longest")).json < LONGEST_MS


def test_large_bodies_and_answers_over_tls(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "one")
    certificate, key = authority.issue("localhost")
    server = {"tls_certificate": str(certificate), "tls_key": str(key)}
    body = noise(6_000_000)
    with serving(transport, limits=BOUNDS["limits"], server=server) as one:
        with Peer(one.port, tls=authority.client()) as secure:
            for _ in range(3):
                assert secure.ask(post(body)).json["hash"] == digest(body)
                assert secure.ask(post(body, "/stored?bytes=9000000")).body == b"x" * 9_000_000
            secure.send(CHUNKED % b"/echo" + chunked(body, 70_000))
            assert secure.answer().json["hash"] == digest(body)
            if transport in STORES:
                assert secure.ask(get("/files")).json == [0, 7]
        with Peer(one.port, tls=authority.client()) as gone:
            gone.send(post(body)[:3_000_000])
            gone.reset()
        with Peer(one.port, tls=authority.client()) as secure:
            eventually(lambda: secure.ask(get("/files")).json[0] == 0, 30.0, "the files are closed")


def test_the_end_waits_for_large_ones(transport: str) -> None:
    with serving(transport, **BOUNDS) as one:
        with Peer(one.port) as peer, socket.create_connection(("127.0.0.1", one.port)):
            peer.send(post(noise(2_000_000), "/stored?bytes=4000000&ms=400"))
            eventually(lambda: _taken(one) >= 1, 30.0, "it is asked")
            one.process.terminate()
            assert len(peer.answer().body) == 4_000_000
        assert one.ended() == 0


def _taken(server: Server) -> int:
    with Peer(server.port) as other:
        return int(json.loads(other.ask(get("/held")).body)[1]) - 1
