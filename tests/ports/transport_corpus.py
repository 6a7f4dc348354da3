"""Bytes that are no request, or only nearly one, and what comes of them. Failures that were found are added here."""

from __future__ import annotations

_HEAD = b"POST /echo HTTP/1.1\r\nhost: x\r\n"
_LINE = b"GET /echo HTTP/1.1\r\n"

REFUSED: dict[str, tuple[bytes, int]] = {
    "a line feed before the request": (b"\nGET /echo HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "words that are no request": (b"hello there\r\n\r\n", 400),
    "a method nobody knows": (b"FETCH / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a method in lower case": (b"get / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a tls handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "nothing but zeros": (b"\x00" * 64, 400),
    "http/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no version": (b"GET /echo\r\n\r\n", 400),
    "a version before 1.0": (b"GET /echo HTTP/0.9\r\nhost: x\r\n\r\n", 505),
    "a version that does not exist": (b"GET /echo HTTP/1.7\r\nhost: x\r\n\r\n", 400),
    "another protocol": (b"DESCRIBE / RTSP/1.0\r\nhost: x\r\n\r\n", 505),
    "two spaces in the request line": (b"GET  /echo HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a target that is no path": (b"GET echo HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", 405),
    "a control character in the path": (b"GET /a\x01b HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "a byte over 127 in the path": (b"GET /\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "no host": (_LINE + b"\r\n", 400),
    "two hosts": (_LINE + b"host: a\r\nhost: b\r\n\r\n", 400),
    "a host with a space": (_LINE + b"host: a b\r\n\r\n", 400),
    "a host with a path": (_LINE + b"host: a/b\r\n\r\n", 400),
    "a header without colon": (_HEAD + b"nonsense\r\n\r\n", 400),
    "a header without name": (_HEAD + b": x\r\n\r\n", 400),
    "a space before the colon": (_HEAD + b"content-length : 5\r\n\r\nhello", 400),
    "a space in a name": (_HEAD + b"x y: 1\r\n\r\n", 400),
    "a space before the first header": (_LINE + b" host: x\r\n\r\n", 400),
    "a folded header": (_HEAD + b"x-a: 1\r\n b\r\n\r\n", 400),
    "a zero in a value": (_HEAD + b"x-a: \x00\r\n\r\n", 400),
    "lines that end without carriage return": (b"GET /echo HTTP/1.1\nhost: x\n\n", 400),
    "a carriage return alone": (_HEAD + b"x-a: 1\rx-b: 2\r\n\r\n", 400),
    "a length and chunks": (
        _HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + _LINE + b"host: x\r\n\r\n",
        400,
    ),
    "chunks and a length": (_HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths that differ": (_HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!", 400),
    "two lengths that agree": (_HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello", 400),
    "a list of lengths": (_HEAD + b"content-length: 5, 5\r\n\r\nhello", 400),
    "a length with a sign": (_HEAD + b"content-length: +5\r\n\r\nhello", 400),
    "a length below zero": (_HEAD + b"content-length: -5\r\n\r\nhello", 400),
    "a length in hexadecimal": (_HEAD + b"content-length: 0x5\r\n\r\nhello", 400),
    "a length that is none": (_HEAD + b"content-length: five\r\n\r\nhello", 400),
    "a length left empty": (_HEAD + b"content-length: \r\n\r\nhello", 400),
    "a length beyond 64 bits": (_HEAD + b"content-length: 18446744073709551617\r\n\r\nh", 400),
    "a length of ten gigabytes": (_HEAD + b"content-length: 10737418240\r\n\r\n", 413),
    "chunks in http/1.0": (b"POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a coding that is not chunked": (_HEAD + b"transfer-encoding: gzip\r\n\r\n", 400),
    "a coding that only looks like chunked": (_HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (_HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in two headers": (
        _HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a coding below chunked": (_HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "a chunk without size": (_HEAD + b"transfer-encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk size with a sign": (_HEAD + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk size with 0x": (_HEAD + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk size beyond 64 bits": (_HEAD + b"transfer-encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n", 400),
    "a chunk that is longer than it said": (_HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk line without carriage return": (_HEAD + b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    "an endless chunk line": (_HEAD + b"transfer-encoding: chunked\r\n\r\n5;" + b"x" * 100_000, 400),
    "a trailer that is no header": (_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n", 400),
    "an expectation that cannot be met": (_HEAD + b"expect: tea\r\ncontent-length: 1\r\n\r\nx", 417),
}
"""Answered with that code, and the connection ends."""

TAKEN: dict[str, bytes] = {
    "empty lines before the request": b"\r\n\r\nGET /echo HTTP/1.1\r\nhost: x\r\n\r\n",
    "an address with its host": b"GET http://elsewhere.example/echo HTTP/1.1\r\nhost: x\r\n\r\n",
    "a host with a port": b"GET /echo HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n",
    "an empty host": b"GET /echo HTTP/1.1\r\nhost:\r\n\r\n",
    "names in capitals": b"GET /echo HTTP/1.1\r\nHOST: x\r\nX-REQUEST-ID: a\r\n\r\n",
    "no space after the colon": b"GET /echo HTTP/1.1\r\nhost:x\r\n\r\n",
    "tabs around a value": b"GET /echo HTTP/1.1\r\nhost:\tx\t\r\n\r\n",
    "a header of bytes over 127": b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a: \xc3\xa9\r\n\r\n",
    "a fragment": b"GET /echo#part HTTP/1.1\r\nhost: x\r\n\r\n",
    "an upgrade that is declined": b"GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "an upgrade that is declined, with a body": (
        b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\nhello"
    ),
    "a length with leading zeros": b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 0005\r\n\r\nhello",
    "a get with a body": b"GET /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
    "chunks with extensions and trailers": (
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n"
        b'5;a=b;c="d"\r\nhello\r\n0;last\r\nx-sum: 1\r\n\r\n'
    ),
    "a chunk size with leading zeros": (
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0005\r\nhello\r\n000\r\n\r\n"
    ),
    "http/1.0 without host": b"GET /echo HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
}
"""Answered with 200, and the connection goes on."""
