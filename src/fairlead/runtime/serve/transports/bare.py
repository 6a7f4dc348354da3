"""HTTP/1.1 by a protocol of our own on uvloop, judged by llhttp: the requests of a tick are answered together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import uvloop

from fairlead.contract.ports import Application
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.grpc_door import open_grpc
from fairlead.runtime.serve.lane import lanes, run_lane
from fairlead.runtime.serve.slices import take_short_slices
from fairlead.runtime.serve.supervise import Supervisor, listen
from fairlead.runtime.serve.transports.http.accepting import Acceptor, Shares
from fairlead.runtime.serve.transports.http.gather import FILES, Gather
from fairlead.runtime.serve.transports.http.tls import Certificates

BACKLOG = 1024
GRACE_S = 15.0
_RESERVED_FILES = 64 + FILES
_ROOM_FOR_FILES = 4096
_YOUNG = 20_000
_log = logging.getLogger("fairlead.serve")


class BareTransport:
    """Port `transport`. settings["server"]: its limits and certificates, a `ServeSettings`."""

    def serve(
        self,
        factory: str,
        host: str,
        port: int,
        workers: int,
        settings: Mapping[str, Any],
        ready: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        factory: "module:function", called in each worker with (slot, settings). ready: called once, with the
        address, when the first worker accepts. Raises UsageError when the address is taken or a certificate
        cannot be used.
        """
        server: ServeSettings = settings.get("server") or ServeSettings()
        Certificates.of(server)
        listener = listen(host, port, BACKLOG)
        # Inherited by what is accepted: an answer is one write and need not wait for more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound = listener.getsockname()[1]
        # What is answered within its time limit is not cut off by the end of the server either.
        grace_s = float(settings.get("grace_s", max(GRACE_S, server.timeout_s + 1.0)))
        settings = {**settings, "server": server, "host": host, "port": bound, "grace_s": grace_s}
        shares = Shares(workers)

        def work(slot: int, lifeline: socket.socket) -> None:
            if slot >= workers:
                listener.close()
                run_lane(slot, settings, lifeline, slot - workers)
                return
            make_room_for_files(listener.fileno())
            uvloop.run(_work(factory, slot, settings, listener, lifeline, shares))

        # What was made so far is shared by the workers for good: the collector need not touch, and so copy, it.
        gc.collect()
        gc.freeze()
        try:
            supervisor = Supervisor(
                work, workers + lanes(settings), grace_s, gone=shares.leave, draining=listener.close
            )
            supervisor.run(lambda: ready(host, bound))
        finally:
            gc.unfreeze()
            listener.close()


async def _work(
    factory: str,
    slot: int,
    settings: Mapping[str, Any],
    listener: socket.socket,
    lifeline: socket.socket,
    shares: Shares,
) -> None:
    """One worker: until SIGTERM, or until the supervisor is gone."""
    module, _, name = factory.partition(":")
    loop = asyncio.get_running_loop()
    server: ServeSettings = settings["server"]
    application: Application = getattr(import_module(module), name)(slot, settings)
    # A request makes no cycles: what was loaded is not looked through for them again, and what comes seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
    take_short_slices()
    over = asyncio.Event()

    def gone() -> None:
        loop.remove_reader(lifeline.fileno())
        over.set()

    lifeline.setblocking(False)
    loop.add_reader(lifeline.fileno(), gone)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    gather = Gather(application, loop, server)
    certificates = Certificates.of(server)
    if certificates is not None:
        gather.every_sweep = certificates.renew
    acceptor = Acceptor(listener, gather, certificates, shares, slot, most_files())
    grpc = await open_grpc(application, loop, settings)
    acceptor.start()
    os.write(lifeline.fileno(), b"r")
    try:
        await over.wait()
        await acceptor.stop()
        within_s = max(float(settings.get("grace_s", GRACE_S)) - 1.0, 0.5)
        await asyncio.gather(gather.drain(within_s), *([] if grpc is None else [grpc.close(within_s)]))
    finally:
        with contextlib.suppress(OSError):
            listener.close()
        application.close()


def most_files() -> int:
    """How many connections the limit on open files leaves room for, once it is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return 1_000_000
    return max(int(soft) - _RESERVED_FILES, 16)


def make_room_for_files(fd: int) -> None:
    """Let the process's table of open files be large now, while there is one thread.

    It grows by itself at 64, 128, 256 ... files, but of a process with threads only once every CPU has let go of the
    old one: whoever accepts that connection, and all who wait for an answer then, stand still for 10 ms and more.
    fd: any open file. Source: Linux, fs/file.c, expand_fdtable.
    """
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(_ROOM_FOR_FILES, most_files()) - 1))
