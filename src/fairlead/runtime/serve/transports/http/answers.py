"""Answers as bytes: status line, headers, body, joined once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

Headers = Sequence[tuple[str, str]]
JSON = ("content-type", "application/json")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_START = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: " for status in HTTPStatus}
_OK = _START[200]
_BODILESS = frozenset({204, 304})


def encode(code: int, headers: Headers, body: bytes, end: str, bare: bool) -> bytes:
    """end: the line about the connection, "" when it goes on. bare: without the body, as HEAD is answered.

    Raises ValueError for a header that would end its own line.
    """
    if code == 200 and len(headers) == 2 and not end and not bare:
        # The common answer, in one piece.
        (kind, media), (name, id) = headers
        if kind == "content-type" and name == "x-request-id" and "\n" not in id and "\n" not in media:
            text = f"{_OK}{len(body)}\r\ncontent-type: {media}\r\nx-request-id: {id}\r\n\r\n"
            return text.encode("latin-1", "replace") + body
    text = _START.get(code) or f"HTTP/1.1 {code} Other\r\ncontent-length: "
    if code in _BODILESS:
        text = text[: text.rindex("\r\n")]
        bare = True
    else:
        text += str(len(body))
    for name, value in headers:
        text += f"\r\n{name}: {value}"
    if text.count("\n") != len(headers) + (code not in _BODILESS):
        raise ValueError("a header of an answer has a line break")
    text += end + "\r\n\r\n"
    return text.encode("latin-1", "replace") if bare else text.encode("latin-1", "replace") + body


def said(message: str) -> bytes:
    """The body of a refusal."""
    return json.dumps({"error": message}).encode()
