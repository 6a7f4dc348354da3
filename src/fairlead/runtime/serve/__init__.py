"""What answers: the data plane, its routes, admission and metrics, and the transports behind their port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.serve.assignment import assign
    from fairlead.runtime.serve.plane import DataPlane
    from fairlead.runtime.serve.routes import publish, read
    from fairlead.runtime.serve.server import ServeOptions, serve
    from fairlead.runtime.serve.workers import Confirmation, WorkerStatus, confirm, live_workers

_HOME = {
    "Confirmation": "workers",
    "DataPlane": "plane",
    "ServeOptions": "server",
    "WorkerStatus": "workers",
    "assign": "assignment",
    "confirm": "workers",
    "live_workers": "workers",
    "publish": "routes",
    "read": "routes",
    "serve": "server",
}
__all__ = [
    "Confirmation",
    "DataPlane",
    "ServeOptions",
    "WorkerStatus",
    "assign",
    "confirm",
    "live_workers",
    "publish",
    "read",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
