"""Heads: what is read from them, what is remembered, and that llhttp has the last word."""

from __future__ import annotations

import contextlib

import pytest
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.runtime.serve.transports.http.heads import CHUNKED, MAX_HEADERS, Heads, Malformed


def head(*lines: str, first: str = "POST /a%20b?c=d HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def test_a_head_is_read_once_and_known_by_its_bytes() -> None:
    heads = Heads()
    raw = head("Host: x", "X-A: 1", "x-a:\t2 ", "Content-Length: 7", "Connection: keep-alive, Close")
    read = heads.read(raw)
    assert (read.method, read.path, read.query, read.length) == ("POST", "/a b", "c=d", 7)
    assert read.headers == {"host": "x", "x-a": "1, 2", "content-length": "7", "connection": "keep-alive, Close"}
    assert not read.keeps
    assert heads.read(bytes(bytearray(raw))) is read


def test_what_is_remembered_is_bounded() -> None:
    heads = Heads()
    for number in range(5000):
        heads.read(head("host: x", f"x-id: {number}"))
        assert len(heads.known) <= 1024
    before = len(heads.known)
    heads.read(head("host: x", "x-long: " + "a" * 4000))
    assert len(heads.known) == before


def test_how_a_connection_goes_on() -> None:
    heads = Heads()
    cases = [
        ("HTTP/1.1", [], True),
        ("HTTP/1.1", ["connection: close"], False),
        ("HTTP/1.1", ["connection: foo,CLOSE"], False),
        ("HTTP/1.0", [], False),
        ("HTTP/1.0", ["connection: Keep-Alive"], True),
        ("HTTP/1.0", ["connection: keep-alive, close"], False),
    ]
    for version, lines, keeps in cases:
        assert heads.read(head("host: x", *lines, first=f"GET / {version}")).keeps is keeps


def test_a_hundred_headers_and_no_more() -> None:
    heads = Heads()
    lines = [f"x-{number}: 1" for number in range(MAX_HEADERS - 1)]
    assert len(heads.read(head("host: x", *lines)).headers) == MAX_HEADERS
    with pytest.raises(Malformed) as refused:
        heads.read(head("host: x", "x: 1", *lines))
    assert refused.value.code == 431


class _Ended:
    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_message_complete(self) -> None:
        self.ended = True


PIECES = st.sampled_from(
    ["host: x", "Host:y", "content-length: 5", "Content-Length: 0", "content-length: 5 ", "content-length:\t3",
     "transfer-encoding: chunked", "Transfer-Encoding: gzip, chunked", "transfer-encoding: gzip",
     "expect: 100-continue", "connection: close", "connection: upgrade", "upgrade: h2c",
     "x: \xe9", " folded", "x : y", "x\x00: y", "nonsense",
     "content-length: 5\ncontent-length: 6", "x: a\rb", "content-length: 1_0", "content-length : 4", "", "\x0bhost: x"]
)  # fmt: skip
FIRSTS = st.sampled_from(
    [
        "GET / HTTP/1.1",
        "POST /a HTTP/1.1",
        "GET / HTTP/1.0",
        "PUT * HTTP/1.1",
        "GET http://h/p HTTP/1.1",
        "GET /",
        "XYZ /",
    ]
)


@settings(max_examples=500, deadline=None)
@given(first=FIRSTS, lines=st.lists(PIECES, max_size=6))
def test_what_is_taken_is_what_llhttp_takes_and_framed_as_it_frames_it(first: str, lines: list[str]) -> None:
    raw = head(*lines, first=first)
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    seen = _Ended()
    try:
        HttpRequestParser(seen).feed_data(raw)
        valid = True
    except HttpParserUpgrade:
        valid = True
    except HttpParserError:
        valid = False
    try:
        read = Heads().read(raw)
    except Malformed:
        return
    assert valid
    named = {name.decode("latin-1").lower() for name, _ in seen.headers}
    assert set(read.headers) == named
    for name, value in seen.headers:
        assert value.decode("latin-1").strip(" \t") in read.headers[name.decode("latin-1").lower()]
    if b"transfer-encoding" in raw.lower():
        assert read.length == CHUNKED
    if "upgrade" not in read.headers:
        assert seen.ended is (read.length == 0)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_malformed_and_nothing_else(data: bytes) -> None:
    for raw in (data + b"\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n" + data + b"\r\n\r\n"):
        with contextlib.suppress(Malformed):
            Heads().read(raw[: raw.index(b"\r\n\r\n") + 4])
