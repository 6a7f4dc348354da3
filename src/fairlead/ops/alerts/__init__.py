"""Telling people: once per finding, a reminder while it lasts, an all-clear when it ends, never a storm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.alerts.addresses import channels, name_of, shown
    from fairlead.ops.alerts.file_channel import FileChannel
    from fairlead.ops.alerts.outbox import Outbox
    from fairlead.ops.alerts.sending import Courier, Delivered

__all__ = ["Courier", "Delivered", "FileChannel", "Outbox", "channels", "name_of", "shown"]

_HOME = {
    "Courier": "sending",
    "Delivered": "sending",
    "FileChannel": "file_channel",
    "Outbox": "outbox",
    "channels": "addresses",
    "name_of": "addresses",
    "shown": "addresses",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
