"""`traceparent` of W3C Trace Context: whose trace a request belongs to. Source: w3.org/TR/trace-context."""

from __future__ import annotations

import re
from random import getrandbits

import msgspec

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
LONGEST_STATE = 512


class Trace(msgspec.Struct, frozen=True):
    """A span of ours in a trace. parent: span id of whoever called, 0 for none; state: its `tracestate`."""

    id: int
    span: int
    parent: int = 0
    state: str = ""

    @property
    def header(self) -> str:
        """As `traceparent` of whatever belongs to this span; traced, so sampled."""
        return f"00-{self.id:032x}-{self.span:016x}-01"


def read(given: str | None) -> tuple[int, int, bool] | None:
    """(trace id, parent span id, sampled) of a `traceparent`; None for what is none."""
    found = _FORM.match(given) if given else None
    if found is None:
        return None
    version, trace, parent, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace, 16) or not int(parent, 16):
        return None
    return int(trace, 16), int(parent, 16), bool(int(flags, 16) & 1)


def begun(parent: tuple[int, int, bool] | None, state: str | None) -> Trace:
    """A new span: in the caller's trace, or in one of its own."""
    if parent is None:
        return Trace(getrandbits(128) or 1, getrandbits(64) or 1)
    kept = state if state and len(state) <= LONGEST_STATE and state.isascii() else ""
    return Trace(parent[0], getrandbits(64) or 1, parent[1], kept)
