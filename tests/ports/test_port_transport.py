"""One suite that every transport passes, over real sockets, with a small real application in a process of its own.

What a transport cannot do is in `CANNOT`, by the name of the test, with the reason; such a case is not made.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually
from tests.ports.transport_certificates import Authority
from tests.ports.transport_corpus import REFUSED, TAKEN
from tests.ports.transport_peer import Answer, Closed, Peer, Server, cpu_s, get, kill, post, serving

from fairlead.contract.plugins import names

BOUNDS: dict[str, Any] = {
    "limits": {"max_body_bytes": 100_000, "timeout_s": 20.0, "max_queue": 128},
    "server": {"header_s": 20.0, "keep_alive_s": 20.0, "max_header_kb": 8, "max_connections": 200},
}
HASTY: dict[str, Any] = {
    "limits": {"timeout_s": 1.0},
    "server": {"header_s": 1.0, "keep_alive_s": 1.5},
}
"""For what is given up: who is only slow, as a test on a busy machine is, must not be."""
BUG = "hyper, which granian builds on,"
CANNOT: dict[str, dict[str, str]] = {
    "granian": {
        "test_a_refusal_by_the_transport_is_json_of_ours": f"{BUG} answers 400 with an empty body by itself",
        "test_a_head_that_does_not_come_is_given_up": "its time for a head is 30 s, whatever is set",
        "test_a_head_is_bounded": f"{BUG} has bounds of its own, about 400 KB and 100 headers",
        "test_idle_connections_end": "it keeps idle connections for ever",
        "test_stopping_under_load_fails_no_request": "it ends connections that are idle at that moment at once",
        "test_no_more_connections_than_may_be": "it has no such bound",
        "test_a_client_that_does_not_read_is_given_up_and_costs_little": "it waits for ever",
        "test_who_asked_for_much_at_once_and_reads_nothing_is_cut_off": "it waits for ever",
        "test_pipelined_requests_are_asked_together": f"{BUG} asks one after the other",
        "test_a_client_that_stopped_sending_gets_its_answers": f"{BUG} takes it as gone",
        "test_bodies_of_all_connections_together_are_bounded": "each body is bounded, not their sum",
        "test_client_certificates_are_demanded_and_their_name_is_told": "it demands them and does not tell the name",
        "test_a_renewed_certificate_is_taken_up": "it reads its files once",
        "test_workers_share_connections_fairly": "whoever wakes first takes all that wait",
        "test_who_connects_while_a_worker_computes_is_answered_by_another": "a busy worker's threads accept, too",
    },
}
DEVIATES: dict[str, frozenset[str]] = {
    # Answered although they should be refused; a broken chunk ends a body as if it were whole.
    "granian": frozenset(
        {
            "a line feed before the request", "a method nobody knows", "a method in lower case", "no version",
            "http/2 without asking",
            "a version before 1.0", "another protocol", "a target that is no path", "a tunnel",
            "a byte over 127 in the path", "no host", "two hosts", "a host with a space", "a host with a path",
            "lines that end without carriage return", "a length and chunks", "chunks and a length",
            "two lengths that agree", "chunked twice", "chunked in two headers", "a coding below chunked",
            "a chunk without size", "a chunk size with a sign", "a chunk size with 0x", "a chunk size beyond 64 bits",
            "a chunk that is longer than it said", "a chunk line without carriage return", "an endless chunk line",
            "a trailer that is no header", "an expectation that cannot be met",
        }
    ),
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "transport" in metafunc.fixturenames:
        able = [name for name in names("transport") if metafunc.function.__name__ not in CANNOT.get(name, {})]
        metafunc.parametrize("transport", able, scope="module")


def test_the_table_of_what_cannot_be_names_tests() -> None:
    assert {name for table in CANNOT.values() for name in table} <= set(globals())
    assert {name for cases in DEVIATES.values() for name in cases} <= set(REFUSED) | set(TAKEN)


@pytest.fixture(scope="module")
def running(transport: str) -> Iterator[Server]:
    """One worker with small bounds, for all that does not end it."""
    with serving(transport, **BOUNDS) as one:
        yield one


@pytest.fixture(scope="module")
def hasty(transport: str) -> Iterator[Server]:
    """One worker that waits for nobody for long."""
    with serving(transport, **HASTY) as one:
        yield one


@pytest.fixture
def peer(running: Server) -> Iterator[Peer]:
    with Peer(running.port) as one:
        yield one


def answers_still(server: Server) -> None:
    with Peer(server.port) as other:
        assert other.ask(get("/echo")).code == 200


# Requests as they are meant.


def test_a_request_arrives_as_it_was_sent(peer: Peer) -> None:
    body = bytes(range(256)) * 40
    said = peer.ask(post(body, "/some/place?a=1&b=%20c", "X-Request-Id: r-1", "Accept:  text/x ")).json
    assert (said["method"], said["path"], said["query"]) == ("POST", "/some/place", "a=1&b=%20c")
    assert (said["size"], said["hash"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert said["headers"] == {"host": "x", "x-request-id": "r-1", "accept": "text/x", "content-length": "10240"}
    assert said["peer"] is None


def test_headers_and_body_of_an_answer_arrive_as_they_were_given(peer: Peer) -> None:
    answer = peer.ask(get("/echo", "x-request-id: r-2"))
    assert (answer.headers["x-request-id"], answer.headers["content-type"]) == ("r-2", "application/json")
    assert peer.ask(get("/large?bytes=3000000")).body == b"x" * 3_000_000
    assert peer.ask(get("/empty")).code == 204
    assert peer.ask(get("/twice")).code == 200
    assert peer.ask(get("/echo")).code == 200


@pytest.mark.parametrize(
    ("sent", "path", "query"),
    [
        ("/a%20b%2Fc?x=%20y", "/a b/c", "x=%20y"),
        ("/%C3%A9", "/é", ""),
        ("/%FF%zz", "/\ufffd%zz", ""),
        ("/a%2525", "/a%25", ""),
        ("http://elsewhere.example/abs?q=1", "/abs", "q=1"),
        ("http://elsewhere.example", "/", ""),
        ("/a#b?c", "/a", ""),
        ("/a?", "/a", ""),
        ("//a//b/../c", "//a//b/../c", ""),
    ],
)
def test_paths_are_decoded_once_and_left_alone_otherwise(peer: Peer, sent: str, path: str, query: str) -> None:
    said = peer.ask(get(sent)).json
    assert (said["path"], said["query"]) == (path, query)


def test_an_answer_to_head_has_no_body_and_says_its_length(peer: Peer) -> None:
    peer.send(b"HEAD /large?bytes=1234 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert peer.answer(head=True).headers["content-length"] == "1234"
    assert peer.ask(get("/large?bytes=5")).body == b"xxxxx"


def test_a_connection_is_kept_and_ended_as_the_client_says(running: Server) -> None:
    with Peer(running.port) as kept:
        for _ in range(50):
            assert not kept.ask(post(b"{}")).close
        assert kept.ask(get("/echo", "Connection: Close")).close
        assert kept.ended()
    with Peer(running.port) as old:
        assert old.ask(b"GET /echo HTTP/1.0\r\n\r\n").code == 200
        assert old.ended()
    with Peer(running.port) as old:
        for _ in range(3):
            answer = old.ask(b"GET /echo HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n")
            assert answer.headers["connection"].lower() == "keep-alive"


def test_bodies_in_chunks(peer: Peer) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    said = peer.ask(head + b"5\r\nhello\r\n6;note=1\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n").json
    assert (said["size"], said["hash"]) == (11, hashlib.sha256(b"hello world").hexdigest())
    assert peer.ask(head + b"0\r\n\r\n").json["size"] == 0
    assert peer.ask(get("/echo")).code == 200


def test_a_request_may_come_byte_by_byte(peer: Peer) -> None:
    for data in (
        post(b"hello"),
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ):
        for at in range(len(data)):
            peer.send(data[at : at + 1])
        assert peer.answer().json["size"] == 5


def test_a_client_that_asks_before_it_sends_its_body_is_told_to(peer: Peer) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    assert peer.ask(head).code == 100
    assert peer.ask(b"hello").json["size"] == 5
    assert (
        peer.ask(b"POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 900000\r\n\r\n").code == 413
    )


# Order.


def test_pipelined_requests_are_answered_in_order(peer: Peer) -> None:
    paths = [f"/echo/{number}" if number % 3 else f"/later/{number}?ms={30 - number}" for number in range(24)]
    peer.send(b"".join(post(b"x" * (n % 5), path) if n % 2 else get(path) for n, path in enumerate(paths)))
    said = [peer.answer().json for _ in paths]
    assert [one["path"] for one in said] == [path.partition("?")[0] for path in paths]
    assert peer.ask(get("/echo")).code == 200


def test_pipelined_requests_are_asked_together(peer: Peer) -> None:
    peer.send(b"".join(get(f"/echo/{number}") for number in range(20)))
    said = [peer.answer().json for _ in range(20)]
    assert [one["path"] for one in said] == [f"/echo/{number}" for number in range(20)]
    assert {one["tick"] for one in said} == {20}


def test_more_pipelined_requests_than_are_read_ahead_are_all_answered(peer: Peer) -> None:
    asked = b"".join(get(f"/echo/{number}") for number in range(1000))
    sender = threading.Thread(target=peer.send, args=(asked,))
    sender.start()
    codes = [peer.answer() for _ in range(1000)]
    sender.join()
    # Over `max_queue` some are turned away; none is lost, and the order stands.
    assert {one.code for one in codes} <= {200, 503}
    assert all(one.json["path"] == f"/echo/{number}" for number, one in enumerate(codes) if one.code == 200)
    assert codes[0].code == 200


def test_requests_that_wait_for_the_loop_are_answered_together(running: Server) -> None:
    peers = [Peer(running.port) for _ in range(9)]
    try:
        for other in peers:
            assert other.ask(get("/echo")).code == 200
        peers[0].send(get("/busy?ms=150"))
        for other in peers[1:]:
            other.send(post(b"{}"))
        assert max(other.answer().json["tick"] for other in peers[1:]) > 1
        assert peers[0].answer().code == 200
    finally:
        for other in peers:
            other.socket.close()


def test_answers_may_come_after_the_tick(running: Server) -> None:
    with Peer(running.port) as held, Peer(running.port) as other:
        held.send(get("/hold"))
        eventually(lambda: other.ask(get("/held")).json[0] == 1, 30.0, "the request is held")
        assert other.ask(get("/release")).json == 1
        assert held.answer().json["path"] == "/hold"


def test_a_client_that_went_away_costs_nobody_anything(running: Server) -> None:
    with Peer(running.port) as other:
        for _ in range(5):
            gone = Peer(running.port)
            gone.send(get("/hold"))
            eventually(lambda: other.ask(get("/held")).json[0] == 1, 30.0, "the request is held")
            gone.reset()
            assert other.ask(get("/release")).json == 1
    answers_still(running)


# Bounds.


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_unusual_but_valid_is_answered(transport: str, running: Server, case: str) -> None:
    with Peer(running.port) as one:
        assert one.ask(TAKEN[case]).code == 200
        assert one.ask(get("/echo")).json["path"] == "/echo"


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_request_is_refused_and_ends_the_connection(transport: str, running: Server, case: str) -> None:
    data, code = REFUSED[case]
    with Peer(running.port) as one:
        one.send(data)
        if case not in DEVIATES.get(transport, ()):
            answer = one.answer()
            assert answer.code == code
            assert "Traceback" not in answer.body.decode()
            assert one.ended()
    answers_still(running)


@pytest.mark.parametrize("data", [b"hello there\r\n\r\n", post(b"x").replace(b"host: x\r\n", b"")])
def test_a_refusal_by_the_transport_is_json_of_ours(peer: Peer, data: bytes) -> None:
    answer = peer.ask(data)
    assert (answer.code, answer.headers["content-type"], answer.close) == (400, "application/json", True)
    assert list(answer.json) == ["error"]


def test_a_body_is_bounded_by_what_it_says_and_by_what_it_is(running: Server) -> None:
    for head in (b"content-length: 100001\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n186a1\r\n" + b"x" * 100_001):
        with Peer(running.port) as one:
            answer = one.ask(b"POST /echo HTTP/1.1\r\nhost: x\r\n" + head)
            assert answer.code == 413
            assert "100000 bytes" in answer.json["error"]
    with Peer(running.port) as one:
        assert one.ask(post(b"x" * 100_000)).json["size"] == 100_000


def test_a_body_that_does_not_come_is_given_up(hasty: Server) -> None:
    for head in (b"content-length: 100\r\n\r\nonly this", b"transfer-encoding: chunked\r\n\r\n5\r\nhel"):
        with Peer(hasty.port) as one:
            assert one.ask(b"POST /echo HTTP/1.1\r\nhost: x\r\n" + head).code == 408
            assert one.ended()


def test_a_head_that_does_not_come_is_given_up(hasty: Server) -> None:
    with Peer(hasty.port) as one:
        one.send(b"GET /echo HTTP/1.1\r\nho")
        assert one.answer().code == 408
        assert one.ended()
    # Nor does it help to send a little now and then.
    with Peer(hasty.port) as slow:
        started = time.monotonic()
        slow.socket.settimeout(0.05)
        slow.send(b"GET /echo HTTP/1.1\r\n")

        def given_up() -> bool:
            slow.send(b"x")
            try:
                return b" 408 " in slow.socket.recv(4096)
            except TimeoutError:
                return False

        eventually(given_up, 30.0, "the slow head is given up")
        assert time.monotonic() - started > 0.7


def test_a_head_is_bounded(running: Server) -> None:
    for lines in (b"x-a: " + b"x" * 9000, b"x-a: 1\r\n" * 101):
        with Peer(running.port) as one:
            assert one.ask(b"GET /echo HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n\r\n").code == 431
            assert one.ended()
    with Peer(running.port) as one:
        assert one.ask(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nhost: x\r\n\r\n").code == 431
        assert one.ended()
    with Peer(running.port) as one:
        assert one.ask(b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a: " + b"x" * 8000 + b"\r\n\r\n").code == 200


def test_idle_connections_end(hasty: Server) -> None:
    started = time.monotonic()
    with Peer(hasty.port) as silent, Peer(hasty.port) as once:
        once.ask(get("/echo"))
        assert silent.ended()
        assert once.ended()
        assert time.monotonic() - started > 0.7


def test_no_more_connections_than_may_be(transport: str) -> None:
    with serving(transport, server={"max_connections": 5}) as one:
        peers = [Peer(one.port) for _ in range(5)]
        for each in peers:
            assert each.ask(get("/echo")).code == 200
        with Peer(one.port) as more:
            answer = more.answer()
            assert (answer.code, answer.headers["retry-after"]) == (503, "1")
            assert more.ended()
        peers.pop().socket.close()

        def again() -> bool:
            with Peer(one.port) as next_one:
                return next_one.ask(get("/echo")).code == 200

        eventually(again, 30.0, "a connection that ended makes room")
        for each in peers:
            assert each.ask(get("/echo")).code == 200
            each.socket.close()


def test_more_than_may_wait_is_turned_away_before_work_is_begun(transport: str) -> None:
    with serving(transport, limits={"max_queue": 3}) as one, Peer(one.port) as other:
        held = [Peer(one.port) for _ in range(3)]
        try:
            for each in held:
                each.send(get("/hold"))
            with Peer(one.port) as more:

                def turned_away() -> bool:
                    answer = more.ask(post(b"{}"))
                    return answer.code == 503 and answer.headers["retry-after"] == "1"

                eventually(turned_away, 30.0, "a request is turned away while three wait")
            for each in held:
                each.reset()
            assert other.ask(get("/echo")).code in {200, 503}
        finally:
            for each in held:
                each.socket.close()


def test_a_client_that_does_not_read_is_given_up_and_costs_little(transport: str) -> None:
    with serving(transport, limits={"timeout_s": 0.5}) as one:
        before = one.memory_kb()
        with Peer(one.port, receive=4096) as deaf:
            deaf.socket.settimeout(0.2)
            sent = 0
            try:
                for _ in range(2000):
                    deaf.send(get("/large?bytes=1000000"))
                    sent += 1
            except TimeoutError:
                pass
            # What was asked would be gigabytes; what is kept for one connection is a pipeline's worth at most.
            assert one.memory_kb() - before < 100_000
            answers_still(one)
            eventually(lambda: _is_reset(deaf), 30.0, "the connection is cut off")


def test_who_asked_for_much_at_once_and_reads_nothing_is_cut_off(transport: str) -> None:
    """All requests are read by then, so that nothing unread makes the kernel reset the connection by itself."""
    with serving(transport, limits={"timeout_s": 0.5}) as one, Peer(one.port, receive=4096) as deaf:
        deaf.send(get("/large?bytes=8000000") * 8)
        eventually(lambda: _is_reset(deaf), 30.0, "the connection is cut off")
        answers_still(one)


def _is_reset(peer: Peer) -> bool:
    """Whether the other side is gone, found out without reading what it sent."""
    return peer.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1


def test_bodies_of_all_connections_together_are_bounded(transport: str) -> None:
    with serving(transport, limits={"max_body_bytes": 1_000_000, "timeout_s": 5.0}) as one:
        peers = [Peer(one.port) for _ in range(40)]
        codes: list[int] = []
        try:
            for each in peers:
                try:
                    each.send(b"POST /e HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 900_000)
                except Closed:
                    codes.append(503)
            assert one.memory_kb() < 80_000
            answers_still(one)
            for each in peers:
                each.socket.settimeout(0.05)
                try:
                    codes.append(each.answer().code)
                except (TimeoutError, *Closed):
                    continue
            assert 503 in codes
        finally:
            for each in peers:
                each.socket.close()


def test_a_client_that_stopped_sending_gets_its_answers(running: Server) -> None:
    with Peer(running.port) as one:
        one.send(get("/later/1?ms=60") + get("/later/2?ms=20") + post(b"x", "/echo/3"))
        one.stop_sending()
        assert [answer.json["path"] for answer in one.answers()] == ["/later/1", "/later/2", "/echo/3"]
    with Peer(running.port) as one:
        one.send(post(b"hello")[:-2])
        one.stop_sending()
        assert one.answers() == []


def test_resets_at_any_point_hurt_nobody(running: Server) -> None:
    data = get("/later?ms=5") + post(b"hello" * 100) + get("/large?bytes=200000")
    for at in range(1, len(data), 29):
        rude = Peer(running.port)
        rude.send(data[:at])
        rude.reset()
    answers_still(running)
    assert "Traceback" not in running.log


# Faults.


def test_a_fault_is_a_500_without_its_reason_and_the_next_is_answered(running: Server, peer: Peer) -> None:
    for path in ("/fault", "/silent"):
        answer = peer.ask(post(b"x", path))
        assert answer.code == 500
        assert "secret" not in answer.body.decode()
        assert list(answer.json) == ["error"]
        assert peer.ask(get("/echo")).code == 200
    assert "the secret reason" in running.log


def test_a_header_cannot_bring_another_along(running: Server) -> None:
    with Peer(running.port) as one:
        one.send(get("/split"))
        try:
            answer = one.answer()
            assert "x-injected" not in answer.headers
        except Closed:
            pass
    answers_still(running)


# Processes.


class Asking:
    """Keep-alive clients under way: what failed, as far as HTTP lets a client know."""

    def __init__(self, port: int, connections: int, path: str = "/later?ms=2") -> None:
        self.port, self.path = port, path
        self.answered = 0
        self.failed: list[str] = []
        self.slots: set[int] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(connections)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def ended(self) -> bool:
        """Whether all clients found nobody to ask any more."""
        return not any(thread.is_alive() for thread in self._threads)

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                connection = Peer(self.port)
            except OSError:
                # Nobody listens any more: no request was made.
                return
            with connection:
                fresh = True
                while not self._over.is_set():
                    try:
                        answer = connection.ask(post(b"{}", self.path))
                    except OSError as failed:
                        # One that connected while the socket was closed was never accepted, so it never asked.
                        if not fresh:
                            self.failed.append(f"{type(failed).__name__}: {failed}")
                        break
                    fresh = False
                    self.answered += 1
                    self._note(answer)
                    if answer.close:
                        break

    def _note(self, answer: Answer) -> None:
        if answer.code != 200:
            self.failed.append(str(answer.code))
        else:
            self.slots.add(answer.json["slot"])


def test_stopping_under_load_fails_no_request(transport: str) -> None:
    for workers in (1, 2):
        with serving(transport, workers=workers) as one, Asking(one.port, 12) as load:
            eventually(lambda load=load: load.answered > 200, 30.0, "answers")
            assert one.stop() == 0
            eventually(load.ended, 30.0, "all clients notice that nobody listens")
        assert load.failed == []
        assert one.log.count("closed") == workers


def test_stopping_answers_what_is_asked_and_says_that_it_is_the_last(transport: str) -> None:
    with serving(transport) as one:
        body = post(b"hello")
        with Peer(one.port) as late, Peer(one.port) as half, Peer(one.port) as idle:
            late.send(get("/later?ms=300"))
            half.send(body[:-3])
            assert idle.ask(get("/echo")).code == 200
            one.process.send_signal(signal.SIGTERM)
            half.send(body[-3:])
            answer = half.answer()
            assert answer.json["size"] == 5
            assert late.answer().code == 200
            assert idle.ended()
        assert one.process.wait(60) == 0


def test_a_killed_worker_is_replaced_and_the_others_go_on(transport: str) -> None:
    with serving(transport, workers=2) as one:
        eventually(lambda: len(one.workers()) == 2, 30.0, "both workers are there")

        def both() -> list[Peer]:
            """A connection to each worker."""
            found: dict[int, Peer] = {}
            for _ in range(100):
                each = Peer(one.port)
                slot = each.ask(get("/echo")).json["slot"]
                if slot in found:
                    each.socket.close()
                else:
                    found[slot] = each
                if len(found) == 2:
                    break
            return [found[slot] for slot in sorted(found)]

        eventually(lambda: len(both()) == 2, 30.0, "both workers answer")
        first, second = both()
        before = one.workers()
        kill(first.ask(get("/echo")).json["pid"])
        for _ in range(200):
            assert second.ask(get("/echo")).code == 200
        # Whoever connects meanwhile waits for nobody.
        for _ in range(20):
            with Peer(one.port) as fresh:
                assert fresh.ask(get("/echo")).code == 200
        eventually(lambda: len(one.workers()) == 2 and one.workers() != before, 30.0, "the worker is replaced")
        eventually(lambda: len(both()) == 2, 30.0, "both workers answer")


def test_the_only_worker_is_replaced_and_who_connects_meanwhile_is_answered(transport: str) -> None:
    with serving(transport) as one:
        for _ in range(3):
            with Peer(one.port) as known:
                kill(known.ask(get("/echo")).json["pid"])
                assert known.ended()
            with Peer(one.port) as waits:
                assert waits.ask(get("/echo")).code == 200


def test_workers_end_when_their_supervisor_is_killed(transport: str) -> None:
    with serving(transport, workers=2) as one:
        eventually(lambda: len(one.workers()) == 2, 30.0, "both workers are there")
        pids = one.workers()
        kill(one.process.pid)
        one.process.wait(60)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30.0, "the workers end")


def test_workers_share_connections_fairly(transport: str) -> None:
    with serving(transport, workers=2) as one:

        def spread() -> int:
            """Of 64 connections, how many the first worker got."""
            peers = [Peer(one.port) for _ in range(64)]
            slots = [each.ask(get("/echo")).json["slot"] for each in peers]
            for each in peers:
                each.socket.close()
            return slots.count(0)

        eventually(lambda: 0 < spread() < 64, 30.0, "both workers answer")
        # A worker that gets no processor for a while gets no connections; so the middle of several.
        assert 20 <= sorted(spread() for _ in range(7))[3] <= 44


def test_who_connects_while_a_worker_computes_is_answered_by_another(transport: str) -> None:
    with serving(transport, workers=2) as one:
        slots: dict[int, list[Peer]] = {0: [], 1: []}

        def connected() -> bool:
            each = Peer(one.port)
            slots[each.ask(get("/echo")).json["slot"]].append(each)
            return bool(slots[0]) and bool(slots[1])

        eventually(connected, 30.0, "both workers answer")
        busy = slots[0][0]
        pid = busy.ask(get("/echo")).json["pid"]
        before = cpu_s(pid)
        busy.send(get("/busy?ms=9000"))
        # By its processor time and not by its silence: one that is only kept waiting takes connections, too.
        eventually(lambda: cpu_s(pid) > before + 0.1, 6.0, "the worker computes")
        answered: list[int] = []
        began = time.monotonic()
        while time.monotonic() - began < 1.5 and len(answered) < 20:
            with Peer(one.port) as fresh:
                answered.append(fresh.ask(get("/echo")).json["slot"])
        assert len(answered) >= 2
        assert set(answered) == {1}
        kill(pid)  # nobody waits for what it computes
        for each in (*slots[0], *slots[1]):
            each.socket.close()


def test_an_address_that_is_taken_is_said_so(transport: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = Server(transport, port=other.getsockname()[1])
        assert refused.ended() == 2
        assert "in use by another program" in refused.said


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "one")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_of_12_and_later_and_nothing_else(transport: str, authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    server = {"tls_certificate": str(certificate), "tls_key": str(key), "header_s": 1.0}
    with serving(transport, server=server) as one:
        for version in ("TLSv1_2", "TLSv1_3"):
            with Peer(one.port, tls=authority.client(version=version)) as secure:
                for _ in range(3):
                    assert secure.ask(post(b"x" * 50_000)).json["size"] == 50_000
                assert secure.ask(get("/large?bytes=500000")).body == b"x" * 500_000
                secure.send(get("/later/1?ms=30") + get("/echo/2"))
                assert [secure.answer().json["path"] for _ in range(2)] == ["/later/1", "/echo/2"]
                assert secure.ask(get("/echo", "connection: close")).close
                assert secure.ended()
        with pytest.raises(Closed):
            Peer(one.port, tls=authority.client(version="TLSv1_1"))
        with Peer(one.port) as plain:
            plain.send(get("/echo"))
            assert b"200 OK" not in _all_of(plain)
        with Peer(one.port, tls=authority.client()) as secure:
            assert secure.ask(get("/echo")).code == 200


def _all_of(peer: Peer) -> bytes:
    said = b""
    try:
        while piece := peer.socket.recv(65536):
            said += piece
    except Closed:
        pass
    return said


def test_stopping_under_load_over_tls_fails_no_request(transport: str, authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    server = {"tls_certificate": str(certificate), "tls_key": str(key)}
    with serving(transport, server=server) as one:
        with Peer(one.port, tls=authority.client()) as secure:
            secure.send(post(b"x", "/later?ms=300"))
            with Peer(one.port, tls=authority.client()) as other:
                assert other.ask(get("/echo")).code == 200
            one.process.send_signal(signal.SIGTERM)
            assert secure.answer().code == 200
        assert one.process.wait(60) == 0


def test_without_a_certificate_that_is_trusted_nobody_gets_in(transport: str, authority: Authority) -> None:
    other = Authority(authority.folder, "two")
    certificate, key = authority.issue("localhost")
    server = {"tls_certificate": str(certificate), "tls_key": str(key), "tls_client_ca": str(authority.path)}
    with serving(transport, server=server) as one:
        with Peer(one.port, tls=authority.client(authority.issue("team-a"))) as known:
            assert known.ask(get("/echo")).code == 200
        for given in (None, other.issue("team-b")):
            with pytest.raises(Closed), Peer(one.port, tls=authority.client(given)) as unknown:
                unknown.ask(get("/echo"))


def test_client_certificates_are_demanded_and_their_name_is_told(transport: str, authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    server = {"tls_certificate": str(certificate), "tls_key": str(key), "tls_client_ca": str(authority.path)}
    with serving(transport, server=server) as one:
        for name in ("team-a", "team-ü"):
            with Peer(one.port, tls=authority.client(authority.issue(name))) as known:
                assert known.ask(get("/echo")).json["peer"] == name


def test_a_renewed_certificate_is_taken_up(transport: str, authority: Authority, tmp_path: Path) -> None:
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def renew(name: str) -> None:
        for new, place in zip(authority.issue(name), (certificate, key), strict=True):
            staged = place.with_suffix(".new")
            staged.write_bytes(new.read_bytes())
            staged.replace(place)

    def shown() -> str:
        with Peer(one.port, tls=authority.client()) as fresh:
            subject: Any = fresh.socket.getpeercert()["subject"]  # type: ignore[attr-defined]
            return str(subject[0][0][1])

    renew("localhost")
    files = {"tls_certificate": str(certificate), "tls_key": str(key)}
    with serving(transport, server=files) as one, Peer(one.port, tls=authority.client()) as old:
        assert old.ask(get("/echo")).code == 200
        certificate.write_text("broken")
        eventually(lambda: "is not used, the old one goes on" in one.log, 30.0, "the broken file is told")
        assert shown() == "localhost"
        renew("renewed")
        eventually(lambda: shown() == "renewed", 30.0, "the new certificate is shown")
        assert old.ask(get("/echo")).code == 200


def test_certificates_that_cannot_be_used_are_said_so_before_anything_starts(
    transport: str, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = map(str, authority.issue("localhost"))
    cases = [
        ({"tls_certificate": str(tmp_path / "missing.pem"), "tls_key": key}, "serve.tls_certificate"),
        ({"tls_certificate": certificate, "tls_key": str(authority.issue("other")[1])}, "belong together"),
    ]
    for files, says in cases:
        refused = Server(transport, server=files)
        assert refused.ended() == 2, (files, refused.said, refused.log)
        assert says in refused.said
