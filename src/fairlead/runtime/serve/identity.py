"""Request ids: the caller's own where it is usable, else UUIDv7 (RFC 9562), made cheaply."""

from __future__ import annotations

import os
import random

LONGEST = 128
_PAIRS = tuple(f"{byte:02x}" for byte in range(256))


class Ids:
    """UUIDv7 (RFC 9562, method 1: a counter after random bits, seeded anew each millisecond). Not for secrets."""

    def __init__(self) -> None:
        self._bits = random.Random(os.urandom(16)).getrandbits
        self._lead = self._stem = ""
        self._ms = -1
        self._count = 0

    def tick(self, now: float) -> None:
        """now: seconds since the epoch; ids made until the next tick carry it, in milliseconds."""
        ms = int(now * 1000)
        if ms != self._ms:
            self._ms = ms
            bits = self._bits(26)
            self._lead = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{bits >> 14:03x}-{bits & 0x3FFF | 0x8000:04x}-"
            self._count = self._bits(47)
            self._stem = ""

    def new(self) -> str:
        """36 characters."""
        self._count += 1
        last = self._count & 0xFF
        if not last or not self._stem:
            self._stem = f"{self._lead}{self._count >> 8:010x}"
        return self._stem + _PAIRS[last]


def usable(id: str) -> bool:
    """Whether a caller's id can be a header and a record as it is: 1 to 128 visible ASCII characters."""
    return 0 < len(id) <= LONGEST and id.isascii() and id.isprintable() and " " not in id
