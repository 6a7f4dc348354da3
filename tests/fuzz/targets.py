"""What is fuzzed: every parser of bytes that come from outside, through the doors that requests come through.

A target takes bytes and returns; it raises only what would be a fault of the server. The first byte chooses the
headers where a parser reads any, so one corpus covers them.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tests.browser.served import CHURN, RIDES, Model
from tests.fuzz.connections import LIMITS, converse

from fairlead.contract.errors import FairleadError, InputInvalid, NotOffered
from fairlead.contract.plugins import BUILT_IN, names, variant
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.serve.bodies import plain
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.feedback import take
from fairlead.runtime.serve.fleet import deploy
from fairlead.runtime.serve.repository import repository
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.status import status_of
from fairlead.runtime.wire.times import event_time, seconds

CORPUS = Path(__file__).parent / "corpus"
KINDS = (
    "application/json",
    "text/csv",
    "text/csv; header=present",
    "application/jsonlines",
    "application/vnd.apache.arrow.stream",
    "application/octet-stream",
    "",
    "text/plain; charset=latin-1",
)
LIMIT = 1 << 16
Target = Callable[[bytes], None]


class Memory:
    """Counters of a data plane, in memory."""

    def __init__(self) -> None:
        self.cells = [0.0] * 4096
        self._next = 0

    def index(self, series: tuple[str, ...], width: int = 1) -> int:
        self._next += width
        return self._next % 4000


def _headers(choice: int, rest: bytes) -> dict[str, str]:
    headers = {"content-type": KINDS[choice & 7]}
    if choice & 8:
        headers["inference-header-content-length"] = str((choice >> 4) * 16 + len(rest) // 2)
    if choice & 128:
        headers["accept"] = KINDS[choice >> 4 & 7]
    return headers


def refused(error: FairleadError) -> None:
    """An error raised on purpose is an answer, unless it says that the server is at fault."""
    if status_of(error) >= 500 and not isinstance(error, NotOffered):
        raise error


def of_codec(name: str) -> Target:
    """Parse; what was understood must be whole, and must be able to be answered."""
    speakers = _speakers()
    made = []
    for signature in (speakers.SIGNATURE, CHURN, RIDES, speakers.PICTURED, speakers.BARE):
        made.append((signature, variant("codec", name)("churn", signature, Checks(signature))))

    def target(data: bytes) -> None:
        if not data:
            return
        headers = _headers(data[0], data[1:])
        for signature, codec in made:
            try:
                parsed = codec.parse(data[1:], headers)
            except InputInvalid as error:
                codec.error(str(error), status_of(error))
                continue
            except FairleadError as error:
                refused(error)
                continue
            rows = [list(row) for row in parsed.rows]
            assert rows
            assert {len(row) for row in rows} == {len(signature.columns)}
            width = max(1, len(signature.classes))
            labels = [signature.classes[0]] * len(rows) if signature.classes else None
            said = codec.render(parsed, Answer(labels, np.full((len(rows), width), 1 / width).tolist(), "1"))
            assert isinstance(said, bytes)
            frames.encode(_prediction(parsed))

    return target


def _prediction(parsed: Any) -> frames.Prediction:
    """What would be captured: what cannot be written down may not be answered."""
    rows = [list(row) for row in parsed.rows]
    scores = [[0.5]] * len(rows)
    return frames.Prediction(
        0.0, 0.0, "id", None, "m", "b", "v", "p", rows, parsed.passes, None, ["a"] * len(rows), scores
    )


def of_scan() -> Target:
    """The compiled scanner takes nothing that the other ways refuse, and reads nothing otherwise."""
    bodies = _bodies()
    pairs = [bodies.Pair(checks, form) for checks in bodies.CHECKS.values() for form in bodies.CODECS]

    def target(data: bytes) -> None:
        if data:
            pairs[data[0] % len(pairs)].agree(data[1:])

    return target


def _serving() -> Serving:
    counters: Any = Memory()
    routes = tuple(Route(name, (Variant("champion", name, 1),)) for name in ("churn", "rides"))
    models: Mapping[str, Any] = {"churn": Model(CHURN, ()), "rides": Model(RIDES, ())}
    deployed = [deploy(route, models, counters) for route in routes]
    return Serving(Routes(1, routes, default="churn", redact_key="0a"), deployed, counters)


class Book:
    """A spool that keeps nothing, but only what can be kept."""

    def append(self, encoded: list[bytes], schemas: list[Any], tally: Any) -> bool:
        for one in encoded:
            assert frames.decode(one, 0) is not None
        return True


def of_feedback() -> Target:
    serving, spool = _serving(), Book()

    def target(data: bytes) -> None:
        model = ("churn", "rides", None, "none")[data[0] & 3] if data else None
        try:
            take(serving, data[1:], model, 0.0, spool)  # type: ignore[arg-type]
        except FairleadError as error:
            refused(error)

    return target


def of_repository() -> Target:
    serving = _serving()

    def target(data: bytes) -> None:
        path, _, body = data.partition(b"\n")
        try:
            repository(serving, "/v2/repository/" + path.decode("latin-1"), body, None)
        except FairleadError as error:
            refused(error)

    return target


def frame(data: bytes) -> None:
    """Frames come from a spool, which a crash may have torn anywhere."""
    offset = 0
    for _ in range(100):
        try:
            found = frames.decode(data, offset)
        except FairleadError:
            return
        if found is None:
            return
        _, end = found
        assert offset < end <= len(data)
        offset = end


def times(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for zone in ("UTC", "Europe/Berlin"):
        found = seconds(text, zone_of(zone))
        assert found is None or found == found
        event_time(text.split("\n"), zone_of(zone))


def body(data: bytes) -> None:
    """Content encodings."""
    if data:
        try:
            assert (
                len(plain(data[1:], {"content-encoding": ("gzip", "deflate", "x-gzip", "br")[data[0] & 3]}, LIMIT))
                <= LIMIT
            )
        except InputInvalid:
            return


def http(data: bytes) -> None:
    """The same bytes mean the same however they arrive: whole, cut once, or in small pieces."""
    if len(data) < 2:
        return
    cut, data = data[0] * len(data) // 256, data[1:]
    whole = converse([data])
    in_two = converse([data[:cut], data[cut:]] if 0 < cut < len(data) else [data])
    small = converse([data[at : at + 7] for at in range(0, len(data), 7)])
    # What is malformed may be seen while its head is still arriving, or only once it is there.
    settled = [
        (asked, codes[:-1] if codes and codes[-1] >= 400 else codes) for asked, codes, _ in (whole, in_two, small)
    ]
    assert settled[0] == settled[1] == settled[2], (whole, in_two, small)
    for _, _, body in whole[0]:
        assert len(body) <= LIMITS.max_body_bytes


def _speakers() -> Any:
    return _beside("ports", "speakers")


def _bodies() -> Any:
    return _beside("unit/wire", "scanned_bodies")


def _beside(folder: str, module: str) -> Any:
    path = str(Path(__file__).resolve().parent.parent / folder)
    if path not in sys.path:
        sys.path.insert(0, path)
    return importlib.import_module(module)


def codecs() -> list[str]:
    """Ours; a third party's are its own to fuzz."""
    return [name for name in names("codec") if name in BUILT_IN["codec"]]


def target(name: str) -> Target:
    """By name, as in `TARGETS`."""
    if name.startswith("codec-"):
        return of_codec(name.removeprefix("codec-"))
    made: dict[str, Callable[[], Target]] = {
        "feedback": of_feedback,
        "repository": of_repository,
        "frame": lambda: frame,
        "times": lambda: times,
        "body": lambda: body,
        "http": lambda: http,
        "scan": of_scan,
    }
    return made[name]()


TARGETS = [*(f"codec-{name}" for name in codecs()), "feedback", "repository", "frame", "times", "body", "http", "scan"]


def seeds(name: str) -> list[bytes]:
    """Right inputs to begin with."""
    speakers = _speakers()
    found: list[bytes] = []
    if name.startswith("codec-"):
        for speaker in speakers.SPEAKERS:
            if speaker.name == name.removeprefix("codec-"):
                for rows in ([speakers.ROW], [speakers.ROW] * 2, [speakers.PICTURED_ROW], [speakers.BARE_ROW] * 2):
                    said, headers = speaker.say(rows)
                    kind = headers.get("content-type", "")
                    found.append(bytes([KINDS.index(kind) if kind in KINDS else 0]) + said)
    elif name == "feedback":
        found = [
            b'\x00{"request":"r1","row":0,"label":"Yes","value":1.5,"comment":"no"}',
            b'\x01[{"key":7,"time":"2020-01-01T00:00:00Z","label":3},{"key":"a","time":["2020-01-01",5],"value":1}]',
            b'\x02{"model":"rides","request_id":"x","label":1e3,"definition":"v2"}',
        ]
    elif name == "scan":
        bodies, rng = _bodies(), random.Random(1)
        kinds = [(signature, form) for signature in bodies.SIGNATURES.values() for form in bodies.CODECS]
        found = [bytes((at,)) + bodies.body_of(signature, rng, form) for at, (signature, form) in enumerate(kinds)]
    elif name == "repository":
        found = [
            b'index\n{"ready":true}',
            b'models/churn/load\n{"parameters":{"config":"x"}}',
            b"models/churn/unload\n",
        ]
    elif name == "frame":
        found = [
            frames.encode(frames.Label(1.0, "m", None, [frames.Given("r", 0, None, None, "a", 1.0, "c", "v1")])),
            frames.encode(frames.Error(1.0, "id", "m", "native", 400, "BodyInvalid")),
        ]
    elif name == "times":
        found = [b"2020-01-01T00:00:00Z", b"31.01.2011 05:00", b"2011/01/31", b"2011-01-01\n17:30", b"2020-W01-1"]
    elif name == "http":
        get = b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\n"
        post = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
        chunked = b"POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nt: x\r\n\r\n"
        expect = b"POST /p HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n1"
        close = b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
        found = [b"\x40" + one for one in (get, post * 2, chunked + get, expect, close, get + b"junk\r\n\r\n")]
    elif name == "body":
        import gzip
        import zlib

        found = [b"\x00" + gzip.compress(b"{}"), b"\x01" + zlib.compress(b"{}" * 9)]
    return found
