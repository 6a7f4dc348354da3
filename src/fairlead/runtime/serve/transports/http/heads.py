"""Heads of requests: judged by llhttp, read once, remembered while clients repeat them.

llhttp (strict) is asked about every head that was not seen before; what is read here is read only after it found the
head valid: the request line, framing, how the connection goes on. A client on a keep-alive connection sends the same
head again and again, so judged heads are kept by their bytes, and a repeated one costs a look-up.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from fairlead.runtime.serve.patience import patience_of

CHUNKED = -1
MAX_HEADERS = 100
_KEPT, _KEPT_BYTES = 1024, 2048
_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
_VERSIONS = {"HTTP/1.1": True, "HTTP/1.0": False}
_PLAIN = re.compile(r"[^?#%]+")
_ONE_HOST = "a request must have exactly one Host header"


class Malformed(Exception):
    """A head that is answered with `code` and the end of its connection."""

    def __init__(self, code: int, says: str) -> None:
        self.code = code
        super().__init__(says)


class Head:
    """What a request says of itself. length: bytes of its body, CHUNKED if it is in chunks.

    keeps: the client wants to go on with the connection. modern: HTTP/1.1. expects: it waits for `100 Continue`.
    patience: seconds that it waits for the answer, None where it does not say.
    """

    __slots__ = ("expects", "headers", "keeps", "length", "method", "modern", "path", "patience", "query")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], length: int, modern: bool) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.length, self.modern = length, modern
        said = headers.get("connection")
        options = () if said is None else tuple(option.strip() for option in said.lower().split(","))
        self.keeps = "close" not in options and (modern or "keep-alive" in options)
        self.expects = modern and "expect" in headers and length != 0
        self.patience = patience_of(headers)

    def without_body(self) -> Head:
        """The same, as it is asked by somebody who sends no body and ends the connection."""
        return Head(self.method, self.path, self.query, {**self.headers, "connection": "close"}, 0, self.modern)


class Heads:
    """The heads that one worker has judged, by their bytes: at most `_KEPT` of at most `_KEPT_BYTES`."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}

    def read(self, raw: bytes) -> Head:
        """The head in `raw`, which ends with an empty line. Raises Malformed."""
        head = self.known.get(raw)
        if head is None:
            head = _read(raw)
            if len(raw) <= _KEPT_BYTES:
                if len(self.known) >= _KEPT:
                    self.known.clear()
                self.known[raw] = head
        return head


class Judge:
    """llhttp over bytes as they come. complete: it found the end of a message."""

    __slots__ = ("_parser", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._parser = HttpRequestParser(self)

    def on_message_complete(self) -> None:
        self.complete = True

    def feed(self, data: bytes) -> None:
        """Raises Malformed as soon as what came cannot become a request."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # An upgrade may be ignored, and is: the request is answered as it stands.
            pass
        except HttpParserError as error:
            raise Malformed(400, f"not valid HTTP: {str(error).lower() or 'unknown'}") from None


def _read(raw: bytes) -> Head:
    judge = Judge()
    judge.feed(raw)
    lines = raw.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3:
        raise Malformed(400, "not valid HTTP: the request line has three words")
    method, target, version = words
    if not method[:1].isalpha():
        # llhttp skips line ends of any kind here, and what it skips would be taken for the method.
        raise Malformed(400, "not valid HTTP: something stands before the request line")
    modern = _VERSIONS.get(version)
    if modern is None:
        raise Malformed(505, "this server speaks HTTP/1.1")
    if method == "CONNECT":
        raise Malformed(405, "this server is no proxy")
    headers = _headers(lines)
    host = headers.get("host")
    if host is None and modern:
        raise Malformed(400, _ONE_HOST)
    if host and not _HOST.fullmatch(host):
        raise Malformed(400, "the Host header is not a host")
    length = _length(headers, modern)
    if judge.complete != (length == 0) and "upgrade" not in headers:
        raise Malformed(400, "not valid HTTP: the length of the body is not clear")
    if "expect" in headers and headers["expect"].lower() != "100-continue":
        raise Malformed(417, "the only expectation that is met is 100-continue")
    path, query = _target(target)
    return Head(method, path, query, headers, length, modern)


def _headers(lines: list[str]) -> dict[str, str]:
    """Names in lower case; what is said more than once is a list with commas."""
    if len(lines) - 3 > MAX_HEADERS:
        raise Malformed(431, f"a request may have {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if name not in headers:
            headers[name] = value
        elif name == "host":
            raise Malformed(400, _ONE_HOST)
        else:
            headers[name] += ", " + value
    return headers


def _length(headers: dict[str, str], modern: bool) -> int:
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if not modern or "content-length" in headers:
            raise Malformed(400, "not valid HTTP: the length of the body is not clear")
        if coding.lower() != "chunked":
            raise Malformed(501, "the only transfer encoding that is taken is chunked")
        return CHUNKED
    stated = headers.get("content-length", "0")
    if not stated.isascii() or not stated.isdigit() or len(stated) > 18:
        raise Malformed(400, "content-length must be a number of bytes")
    return int(stated)


def _target(target: str) -> tuple[str, str]:
    """Path, percent-decoded once, and query, as it is: of the usual form, of `http://host/path`, and `*`."""
    if target.startswith("/") and _PLAIN.fullmatch(target):
        return target, ""
    if not target.startswith("/") and "://" in target:
        _, _, rest = target.partition("://")
        slash = re.search(r"[/?#]", rest)
        target = rest[slash.start() :] if slash else "/"
        if not target.startswith("/"):
            target = "/" + target
    target = target.partition("#")[0]
    path, _, query = target.partition("?")
    return unquote(path, errors="replace") if "%" in path else path, query
