"""The file of a worker's beats: a ring of places of one size, each written whole and known by its checksum.

A place is 20 bytes (u32 length, u32 crc32, f64 end, u32 unused) and a msgpack array. Where a beat goes follows from
its time, so a worker that takes a dead one's place goes on in its ring, and two hours are kept whatever happens.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import msgspec

from fairlead.contract.beats import BEAT_S, Beat
from fairlead.runtime.serve.counters import slot_files

PLACES = 1440
PLACE = 2048
_HEAD = struct.Struct("<IIdI")
_FEWEST = 1
_OLD_S = 86_400.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Beat).decode


def beats_path(run: Path, instance: str, slot: int) -> Path:
    """The ring of a slot."""
    return Path(run) / f"beats-{instance}-{slot}.bin"


class Ring:
    """Where one worker writes its beats. Nothing is raised for a disk that cannot take one: the next may be."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, beat: Beat) -> bool:
        """Whether it was written. One with more variants than a place holds keeps those asked most."""
        body = _encode(beat)
        while len(body) > PLACE - _HEAD.size and len(beat.answered) > _FEWEST:
            busiest = sorted(beat.answered, key=lambda one: -one.requests)[: len(beat.answered) // 2]
            beat = msgspec.structs.replace(beat, answered=tuple(busiest))
            body = _encode(beat)
        if len(body) > PLACE - _HEAD.size:
            return False
        place = int(beat.end / BEAT_S) % PLACES
        try:
            os.pwrite(self._fd, _HEAD.pack(len(body), zlib.crc32(body), beat.end, 0) + body, place * PLACE)
        except OSError:
            return False
        return True

    def close(self) -> None:
        os.close(self._fd)


def read_ring(path: Path, since: float) -> list[Beat]:
    """Beats that ended after `since`, oldest first; a place that is being written, or damaged, is left out."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return []
    found = []
    for at in range(0, len(data) - _HEAD.size, PLACE):
        length, crc, end, _ = _HEAD.unpack_from(data, at)
        if not length or end <= since or length > PLACE - _HEAD.size:
            continue
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if zlib.crc32(body) != crc:
            continue
        try:
            found.append(_decode(body))
        except msgspec.MsgspecError:
            continue
    return sorted(found, key=lambda beat: beat.end)


def read_beats(run: Path, since: float) -> list[Beat]:
    """Beats of every worker that ever wrote in this `run/`, those that ended after `since`, oldest first."""
    found = []
    for path in sorted(Path(run).glob("beats-*.bin")):
        try:
            if path.stat().st_mtime < since - 2 * BEAT_S:
                continue
        except OSError:
            continue
        found += read_ring(path, since)
    return sorted(found, key=lambda beat: (beat.end, beat.instance, beat.slot))


def forget_old(run: Path, instance: str) -> None:
    """Remove rings that nobody has written for a day: servers come back under other names."""
    ours = set(slot_files(run, "beats", instance, ".bin"))
    for path in Path(run).glob("beats-*.bin"):
        try:
            if path not in ours and time.time() - path.stat().st_mtime > _OLD_S:
                path.unlink(missing_ok=True)
        except OSError:
            continue
