"""The streams of a home, as they say of themselves: for `fairlead status`, and for `fairlead doctor` what is wrong."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from fairlead.contract.evidence import Check
from fairlead.contract.streams import StreamStatus
from fairlead.ops.flow.workspace import Workspace

MOST = 200
SILENT_S = 15.0
"""A stream tells every second how it stands; one that lives and was silent so long is stopped, or has no room."""
STILL_S = 60.0
"""Messages wait, and for so long none was acknowledged."""
UNREACHED_S = 10.0
"""A broker that restarts is gone for as long, and no complaint."""


class Standing(msgspec.Struct, frozen=True):
    """One stream. state: running, unreached (its broker, or nothing answers), still, silent, or gone: killed."""

    told: StreamStatus
    state: str
    why: str = ""


def streams_of(ws: Workspace) -> list[Standing]:
    """All streams of this home, by name; those that ended by themselves have left nothing."""
    found = []
    for path in sorted(ws.home.run.glob("stream-*.json"))[:MOST]:
        try:
            told = msgspec.json.decode(path.read_bytes(), type=StreamStatus)
        except (OSError, msgspec.MsgspecError):
            continue
        found.append(_judged(told, ws.clock()))
    return found


def _judged(told: StreamStatus, now: float) -> Standing:
    if not _lives(told.pid):
        return Standing(told, "gone", "its process was killed, and nothing took its place")
    if now - told.seen > SILENT_S:
        return Standing(told, "silent", f"nothing was heard of it for {now - told.seen:.0f} s: stopped, or no room")
    since = now - max(told.moved, told.since)
    if not told.up and since > UNREACHED_S:
        return Standing(told, "unreached", told.why or "it has not reached its brokers yet")
    if told.lag and since > STILL_S:
        return Standing(told, "still", f"{told.lag:,} messages wait, none was answered for {since:.0f} s")
    return Standing(told, "running")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def told_streams(ws: Workspace) -> list[dict[str, Any]]:
    """As `status` tells them."""
    found = []
    for one in streams_of(ws):
        told = {name: getattr(one.told, name) for name in one.told.__struct_fields__}
        found.append({**told, "state": one.state, "why": one.why})
    return found


_CURES = {
    "gone": "start it again with the same words, or remove run/stream-{instance}.json",
    "silent": "look at process {pid}: `kill -CONT {pid}`, or end it and start it again",
    "unreached": "start the broker, or check its address and login; the stream goes on by itself",
    "still": "see what process {pid} says; a message that takes the process down comes first again",
}


def streams(ws: Workspace) -> list[Check]:
    """A line for each stream that is not well, one for all where every one is; nothing without streams."""
    found = streams_of(ws)
    checks = [
        Check(
            f"stream {one.told.source}", one.told.lag, None, "fail",
            f"{one.why.rstrip('.')}. {_CURES[one.state].format(pid=one.told.pid, instance=one.told.instance)}",
        )
        for one in found
        if one.state != "running"
    ]  # fmt: skip
    if checks or not found:
        return checks
    return [Check("streams", len(found), None, "pass", "every stream is answered")]
