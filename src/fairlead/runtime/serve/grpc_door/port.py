"""The port of gRPC, held by the supervisor, so that every worker, and every worker's successor, gets the same one."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from collections.abc import Iterator

from fairlead.contract.errors import MissingExtra, UsageError
from fairlead.runtime.serve.supervise import listen


@contextlib.contextmanager
def held_port(host: str, port: int) -> Iterator[int]:
    """The number of a port that is this server's alone while the context lasts; 0 takes a free one.

    Held is a socket that is bound and does not listen: the kernel hands connections to the listening sockets of the
    workers, which share the address by SO_REUSEPORT. Raises MissingExtra, UsageError for a port that is taken.
    """
    for module, library in (("grpc", "grpcio"), ("google.protobuf", "protobuf")):
        if not installed(module):
            raise MissingExtra(library, "grpc")
    # Without SO_REUSEPORT first: with it, another server of the same user would be joined instead of noticed.
    try:
        probe = listen(host, port, 1)
    except UsageError:
        raise UsageError(f"gRPC: {host}:{port} cannot be had. Choose another with --grpc-port.") from None
    address, family = probe.getsockname(), probe.family
    probe.close()
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
        yield address[1]
    finally:
        held.close()


def installed(module: str) -> bool:
    """Whether a module is there, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
