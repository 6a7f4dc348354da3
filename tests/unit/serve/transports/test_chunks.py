"""Bodies in chunks, held against llhttp."""

from __future__ import annotations

import pytest
from httptools import HttpParserError, HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.runtime.serve.transports.http.chunks import Chunks
from fairlead.runtime.serve.transports.http.heads import Malformed

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


class _Body:
    def __init__(self) -> None:
        self.body, self.ended = b"", False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.ended = True


def by_llhttp(data: bytes) -> tuple[bytes, bool] | None:
    """Body and whether it is whole; None if llhttp refuses."""
    seen = _Body()
    parser = HttpRequestParser(seen)
    parser.feed_data(HEAD)
    try:
        parser.feed_data(data)
    except HttpParserError:
        if not seen.ended:
            return None
    return seen.body, seen.ended


def by_us(data: bytes, cuts: list[int]) -> tuple[bytes, bool] | None:
    chunks, buffer, at, whole = Chunks(), bytearray(), 0, False
    try:
        for end in [*sorted(cuts), len(data)]:
            buffer += data[at:end]
            at = max(at, end)
            if not whole:
                whole = chunks.take(buffer)
    except Malformed:
        return None
    return bytes(chunks.body), whole


def encoded(pieces: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    said = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    return said + b"0\r\n" + trailers + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=40), max_size=6),
    extension=st.sampled_from([b"", b";a", b";a=b", b';a="b c"']),
    trailers=st.sampled_from([b"", b"x: y\r\n", b"a: b\r\nc: d\r\n"]),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_a_body_is_decoded_however_it_comes(
    pieces: list[bytes], extension: bytes, trailers: bytes, cuts: list[int]
) -> None:
    data = encoded(pieces, extension, trailers)
    expected = (b"".join(pieces), True)
    assert by_us(data, [min(cut, len(data)) for cut in cuts]) == expected
    assert by_llhttp(data) == expected


FRAGMENTS = st.sampled_from(
    [b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\n", b"\r\n", b"5", b"\n", b"\r", b"a\r\n", b"x: y\r\n", b";e\r\n", b"00",
     b"-1", b"0x5\r\n", b" ", b"g\r\n", b"hello", b"ffffffffffffffffff\r\n",
     b"1\r\nab\r\n", b"\x00", b"3\r\nabc\r\n0\r\n\r\n"]
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(FRAGMENTS, max_size=7), st.lists(st.integers(0, 60), max_size=4))
def test_what_is_taken_as_whole_is_what_llhttp_takes_as_whole(fragments: list[bytes], cuts: list[int]) -> None:
    data = b"".join(fragments)
    ours, theirs = by_us(data, [min(cut, len(data)) for cut in cuts]), by_llhttp(data)
    if ours is not None and ours[1]:
        assert theirs is not None
        assert theirs == ours
    elif theirs is not None and theirs[1]:
        # Refusing more than llhttp does is allowed, taking it otherwise is not.
        assert ours is None


def test_pipelined_bytes_after_the_body_are_left_alone() -> None:
    chunks, buffer = Chunks(), bytearray(b"2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\n")
    assert chunks.take(buffer)
    assert (bytes(chunks.body), bytes(buffer)) == (b"ab", b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "data",
    [b"1\r\na\r\n" * 10_000, b"5;" + b"x" * 300, b"0\r\n" + b"x: y\r\n" * 3000, b"0\r\nx: " + b"y" * 9000],
    ids=["tiny chunks", "long extension", "many trailers", "a long trailer"],
)
def test_what_only_costs_time_is_bounded(data: bytes) -> None:
    assert by_us(data, []) is None


def test_a_size_that_was_announced_counts_before_it_has_come() -> None:
    chunks = Chunks()
    assert not chunks.take(bytearray(b"fffffff\r\nab"))
    assert chunks.size == 0xFFFFFFF
