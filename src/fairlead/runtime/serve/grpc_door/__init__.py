"""gRPC: one server in each worker's loop, in front of the same application as HTTP. Needs the extra `grpc`.

Nothing here imports grpc before `open_grpc` is called in a worker: its threads do not survive a fork.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairlead.contract.ports import Application
from fairlead.contract.settings import ServeSettings

if TYPE_CHECKING:
    from fairlead.runtime.serve.grpc_door.door import Door

# A line a failed handshake would let anybody fill the log; and no child that forgets to exec uses our channels.
_QUIET = {"GRPC_VERBOSITY": "ERROR", "GRPC_ENABLE_FORK_SUPPORT": "0"}


async def open_grpc(
    application: Application, loop: asyncio.AbstractEventLoop, settings: Mapping[str, Any]
) -> Door | None:
    """Listen on the gRPC port of `settings` and answer until `close(grace_s)`; None where no such port is asked for.

    In a worker, after the fork. settings: host, and server (`ServeSettings`), whose grpc_port is not 0 here: the
    supervisor holds one (`port.held_port`). Raises UsageError.
    """
    server: ServeSettings | None = settings.get("server")
    if server is None or server.grpc_port is None:
        return None
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from fairlead.runtime.serve.grpc_door.door import Door

    door = Door(application, loop, str(settings["host"]), server)
    await door.start()
    return door
