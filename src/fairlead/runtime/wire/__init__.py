"""The protocols: one codec each, the shared typed validation, the frames of the spool, errors as HTTP codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.wire.checks import Checks
    from fairlead.runtime.wire.codec import Answer, Codec, Parsed
    from fairlead.runtime.wire.native import Native
    from fairlead.runtime.wire.status import STATUS, status_of
    from fairlead.runtime.wire.times import event_time, seconds
    from fairlead.runtime.wire.v2 import V2

_HOME = {
    "Answer": "codec",
    "Checks": "checks",
    "Codec": "codec",
    "Native": "native",
    "Parsed": "codec",
    "STATUS": "status",
    "V2": "v2",
    "event_time": "times",
    "seconds": "times",
    "status_of": "status",
}
__all__ = ["STATUS", "V2", "Answer", "Checks", "Codec", "Native", "Parsed", "event_time", "seconds", "status_of"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
