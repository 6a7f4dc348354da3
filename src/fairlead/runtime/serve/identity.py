"""Request ids: the caller's own where it is usable, else UUIDv7 (RFC 9562), made cheaply."""

from __future__ import annotations

import os
import random

LONGEST = 128


class Ids:
    """UUIDv7 from a per-process generator; the time is set once a tick. Not for secrets."""

    def __init__(self) -> None:
        self._bits = random.Random(os.urandom(16)).getrandbits
        self._lead = ""
        self._ms = -1

    def tick(self, now: float) -> None:
        """now: seconds since the epoch; ids made until the next tick carry it, in milliseconds."""
        ms = int(now * 1000)
        if ms != self._ms:
            self._ms = ms
            self._lead = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"

    def new(self) -> str:
        """36 characters."""
        bits = self._bits(74)
        return f"{self._lead}{bits >> 62:03x}-{bits >> 48 & 0x3FFF | 0x8000:04x}-{bits & 0xFFFFFFFFFFFF:012x}"


def usable(id: str) -> bool:
    """Whether a caller's id can be a header and a record as it is: 1 to 128 visible ASCII characters."""
    return 0 < len(id) <= LONGEST and id.isascii() and id.isprintable() and " " not in id
