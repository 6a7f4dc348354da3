"""The frames of the spool: the final format, described for other readers in `docs/reference/frames.md`.

A frame is, little-endian: u32 length, u32 crc32, u8 format version, u8 kind, body. `length` counts the
bytes after the crc, `crc32` is over the same bytes, the body is a msgpack array. Fields are only ever
added at the end of an array, so an old reader reads what a new writer wrote.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from fairlead.contract.errors import FormatUnknown
from fairlead.contract.signature import Signature

FORMAT = 1
HEADER = struct.Struct("<II")
LARGEST = 1 << 28
"""Bytes that one frame may have; a length beyond it is damage, not data."""

Pass = int | float | str | bool | None
"""A cell of a pass-through column, as it came."""


class Prediction(msgspec.Struct, array_like=True, gc=False):
    """A request that was answered, or the part of one that a variant answered.

    time: arrival, seconds since the epoch. rows: decoded cells in signature order (see Schema), a tensor as the
    bytes of its elements. passes: cells of the pass-through columns per row, or None when there were none.
    positions: of `rows` in the request, None when all are here, in order. labels: decisions (classification), else
    None.
    scores: one list of outputs a row.
    """

    kind: ClassVar[int] = 1

    time: float
    latency_s: float
    request: str
    caller: str | None
    model: str
    bundle: str
    variant: str
    protocol: str
    rows: list[Any]
    passes: list[Any] | None
    positions: list[int] | None
    labels: list[str] | None
    scores: list[list[float]]


class Shadow(Prediction, array_like=True, gc=False):
    """What a shadow said; nobody was answered with it."""

    kind: ClassVar[int] = 2


class Given(msgspec.Struct, array_like=True, gc=False):
    """One label of a feedback: for `row` of `request`, or for the row of `key` (at `time`)."""

    request: str | None
    row: int
    key: str | None
    time: float | None
    label: str | None
    value: float | None
    comment: str | None
    definition: str


class Label(msgspec.Struct, array_like=True, gc=False):
    """The labels of one feedback for one model. time: arrival."""

    kind: ClassVar[int] = 3

    time: float
    model: str
    caller: str | None
    items: list[Given]


class Error(msgspec.Struct, array_like=True, gc=False):
    """A request that was refused or failed. code: HTTP; reason: name of the error class."""

    kind: ClassVar[int] = 4

    time: float
    request: str
    model: str
    protocol: str
    code: int
    reason: str


class Drop(msgspec.Struct, array_like=True, gc=False):
    """Rows that were answered and not captured since the last frame of this kind."""

    kind: ClassVar[int] = 5

    time: float
    reason: str
    rows: int


class Counts(msgspec.Struct, array_like=True, gc=False):
    """Running counts of this instance and worker since its first segment; ends every write.

    answered = captured + sampled_out + the sum of dropped, in rows.
    """

    kind: ClassVar[int] = 6

    time: float
    answered: int
    captured: int
    sampled_out: int
    dropped: dict[str, int]
    shadows: int
    labels: int
    errors: int


class Schema(msgspec.Struct, array_like=True, gc=False):
    """First use of a bundle in a segment: all that is needed to read its rows.

    redacted: names stored as keyed hash. passes: names of the pass-through cells, in order.
    """

    kind: ClassVar[int] = 7

    model: str
    bundle: str
    version: int
    signature: Signature
    redacted: list[str]
    passes: list[str]


class Tick(msgspec.Struct, array_like=True, gc=False):
    """Requests that one variant answered whole, in one write: what they share is said once.

    time: of the write. arrivals, requests, callers (None: of nobody known): one entry a request. sizes: rows of each
    request, None when each has one. rows, passes, labels, scores: as in Prediction, one entry a row, in the order of
    the requests. `unfold` gives each request as a Prediction with an offset of its own.
    """

    kind: ClassVar[int] = 8

    time: float
    model: str
    bundle: str
    variant: str
    protocol: str
    arrivals: list[float]
    requests: list[str]
    callers: list[str | None] | None
    sizes: list[int] | None
    rows: list[Any]
    passes: list[Any] | None
    labels: list[str] | None
    scores: list[list[float]]


class Lock(msgspec.Struct, array_like=True, gc=False):
    """Begins a segment that is encrypted: all that follows are Locked frames. key: its name; salt: of this segment."""

    kind: ClassVar[int] = 9

    algorithm: str
    key: str
    salt: bytes


class Locked(msgspec.Struct, array_like=True, gc=False):
    """The frames of one write, encrypted. count: the nonce, which only grows within a segment."""

    kind: ClassVar[int] = 10

    count: int
    data: bytes


Frame = Prediction | Shadow | Label | Error | Drop | Counts | Schema | Tick | Lock | Locked
KINDS: tuple[type[Frame], ...] = (Prediction, Shadow, Label, Error, Drop, Counts, Schema, Tick, Lock, Locked)

_encode = msgspec.msgpack.Encoder().encode
_decode = {kind.kind: msgspec.msgpack.Decoder(kind).decode for kind in KINDS}
_lead = {kind: bytes((FORMAT, kind.kind)) for kind in KINDS}
_pack = HEADER.pack
_unpack = HEADER.unpack_from
_crc = zlib.crc32


def encode(frame: Frame) -> bytes:
    """The bytes of one frame."""
    payload = _lead[type(frame)] + _encode(frame)
    return _pack(len(payload), _crc(payload)) + payload


def unfold(frame: Prediction | Tick, offset: int) -> Iterator[tuple[int, Prediction]]:
    """The requests of a frame at `offset`, each with the offset that its records carry.

    That of request n of a tick is the frame's plus n: a frame has more bytes than requests, so none meets another's.
    """
    if isinstance(frame, Prediction):
        yield offset, frame
        return
    sizes = frame.sizes if frame.sizes is not None else [1] * len(frame.requests)
    callers = frame.callers if frame.callers is not None else [None] * len(frame.requests)
    at = 0
    for number, (arrived, request, caller, size) in enumerate(
        zip(frame.arrivals, frame.requests, callers, sizes, strict=True)
    ):
        end = at + size
        yield offset + number, Prediction(
            arrived, frame.time - arrived, request, caller, frame.model, frame.bundle, frame.variant, frame.protocol,
            frame.rows[at:end],
            None if frame.passes is None else frame.passes[at:end],
            None,
            None if frame.labels is None else frame.labels[at:end],
            frame.scores[at:end],
        )  # fmt: skip
        at = end


def whole(buffer: bytes | memoryview, offset: int) -> int:
    """Where the frame at `offset` ends, or -1 when it is torn (incomplete, or its checksum does not hold)."""
    body = offset + HEADER.size
    if body + 2 > len(buffer):
        return -1
    length, crc = _unpack(buffer, offset)
    end: int = body + length
    if length < 2 or length > LARGEST or end > len(buffer) or _crc(buffer[body:end]) != crc:
        return -1
    return end


def decode(buffer: bytes | memoryview, offset: int = 0) -> tuple[Frame, int] | None:
    """The frame at `offset` and where it ends; None when it is torn.

    Raises FormatUnknown for a format version or kind this version does not know.
    """
    end = whole(buffer, offset)
    if end < 0:
        return None
    version, kind = buffer[offset + HEADER.size], buffer[offset + HEADER.size + 1]
    if version != FORMAT or kind not in _decode:
        raise FormatUnknown(f"spool frame of format {version}, kind {kind}; this version knows format {FORMAT}")
    try:
        return _decode[kind](buffer[offset + HEADER.size + 2 : end]), end
    except msgspec.MsgspecError as damage:
        raise FormatUnknown(f"spool frame of kind {kind} does not have the fields of format {FORMAT}") from damage


def scan(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int, Frame]]:
    """Complete frames of a segment as (offset, end, frame), from `start`, at most to `stop`.

    Ends at the first torn frame: what follows was never acknowledged or is still being written.
    Reads in pieces, so memory is bounded by the largest frame.
    """
    with path.open("rb") as file:
        yield from _frames(file, start, stop)


def _frames(file: Any, start: int, stop: int | None) -> Iterator[tuple[int, int, Frame]]:
    piece = 1 << 20
    file.seek(start)
    buffer, base, at = file.read(piece), start, 0
    while stop is None or base + at < stop:
        got = decode(buffer, at) if len(buffer) - at >= HEADER.size else None
        if got is not None:
            frame, end = got
            yield base + at, base + end, frame
            at = end
            continue
        missing = piece
        if len(buffer) - at >= HEADER.size:
            length = _unpack(buffer, at)[0]
            if length > LARGEST or len(buffer) - at >= HEADER.size + length:
                return
            missing = max(piece, HEADER.size + length - (len(buffer) - at))
        more = file.read(missing)
        if not more:
            return
        base, buffer, at = base + at, buffer[at:] + more, 0
