"""Logs of server and workers on stderr: text, or one JSON object a line. Never a value, a secret or a message of
an unexpected exception, which may hold either."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from fairlead.contract.errors import FairleadError

FIELDS = (
    "request_id", "trace_id", "model", "protocol", "code", "error", "seconds", "suppressed", "ended", "instance",
    "worker",
)  # fmt: skip
"""What a line may say beside its message."""
LINES_A_SECOND = 20
log = logging.getLogger("fairlead.serve")


def configure(form: Literal["text", "json"]) -> None:
    """Every logger of ours to stderr, and those of libraries unless somebody has taken them in hand already.

    json: also what clients did wrong (level INFO); text: from WARNING on.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else Plain())
    ours = logging.getLogger("fairlead")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO if form == "json" else logging.WARNING)
    ours.propagate = False
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message", and those of FIELDS that there are}."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["exception"] = _where(record.exc_info[1])
        return msgspec.json.encode(said).decode()


class Plain(logging.Formatter):
    """Time, level, message, then name=value."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(sep=" ", timespec="milliseconds")[:23]
        said = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{at} {record.levelname.lower()} {record.getMessage()}{said}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "\n".join(f"  {place}" for place in _where(record.exc_info[1]))
        return line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) not in (None, "")}


def _where(error: BaseException) -> list[str]:
    """The places an exception came through and its class; its message only where we wrote that ourselves."""
    frames = traceback.extract_tb(error.__traceback__)[-20:]
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    said = f"{type(error).__name__}: {error}" if isinstance(error, FairleadError) else type(error).__name__
    return [*places, said]


class Lines:
    """Log lines about requests, at most `LINES_A_SECOND` of them; the next one says how many were left out."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about = dict(about)
        self._second, self._said, self._left_out = 0, 0, 0

    def say(self, level: int, message: str, **fields: Any) -> None:
        """One line, if the second still has room for it."""
        if not log.isEnabledFor(level):
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._said = second, 0
        if self._said >= LINES_A_SECOND:
            self._left_out += 1
            return
        self._said += 1
        suppressed, self._left_out = self._left_out or None, 0
        log.log(level, message, extra={**self._about, **fields, "suppressed": suppressed})
