"""The gRPC server of one worker: its bounds, its certificate, its end."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from fairlead.contract.errors import UsageError
from fairlead.contract.ports import Application
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.grpc_door.calls import Calls

_PING_MS = 10_000
_log = logging.getLogger("fairlead.serve")


class Door:
    """port: where it listens. Made and closed on the loop's thread."""

    def __init__(
        self, application: Application, loop: asyncio.AbstractEventLoop, host: str, server: ServeSettings
    ) -> None:
        limits = application.limits()
        self._calls = Calls(application, loop, bool(server.tls_client_ca))
        # Twice the queue: what is over the queue is told so by us, with a time to come back; the rest by gRPC.
        self._server = grpc.aio.server(
            handlers=self._calls.handlers(),
            options=_options(server, limits.max_body_bytes),
            maximum_concurrent_rpcs=2 * limits.max_queue,
        )
        address = f"[{host}]:{server.grpc_port}" if ":" in host else f"{host}:{server.grpc_port}"
        try:
            if server.tls_certificate:
                self.port = self._server.add_secure_port(address, _credentials(server))
            else:
                self.port = self._server.add_insecure_port(address)
        except RuntimeError:
            raise UsageError(f"{address} cannot be listened on. Choose another with --grpc-port.") from None

    async def start(self) -> None:
        """From here on calls are answered."""
        await self._server.start()

    async def close(self, grace_s: float) -> None:
        """Take no further calls; those that run have `grace_s` seconds to end."""
        self._calls.closing = True
        await self._server.stop(grace_s)


def _options(server: ServeSettings, max_body_bytes: int) -> list[tuple[str, int]]:
    header = server.max_header_kb * 1024
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", server.max_queue),
        ("grpc.max_metadata_size", header),
        ("grpc.absolute_max_metadata_size", header),
        # Clients may ask whether we are alive, and the dead are noticed and let go of.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", int(server.keep_alive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(server.header_s * 1000)),
        ("grpc.max_connection_idle_ms", int(server.keep_alive_s * 1000)),
        ("grpc.server_handshake_timeout_ms", int(server.header_s * 1000)),
    ]


class _Certificate:
    """The certificate files, read again when they change. What cannot be read leaves the last ones in place."""

    def __init__(self, server: ServeSettings) -> None:
        self._key, self._chain = Path(server.tls_key), Path(server.tls_certificate)
        self._authorities = Path(server.tls_client_ca) if server.tls_client_ca else None
        self._seen: Any = None

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Raises OSError."""
        self._seen = self._stamp()
        return grpc.ssl_server_certificate_configuration(
            [(self._key.read_bytes(), self._chain.read_bytes())],
            root_certificates=self._authorities.read_bytes() if self._authorities else None,
        )

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """For gRPC, before every handshake and on a thread of its own; None when nothing changed."""
        try:
            return self.read() if self._stamp() != self._seen else None
        except OSError:
            _log.error("the renewed certificate cannot be read, the last one is used")
            return None

    def _stamp(self) -> Any:
        found = [one.stat() for one in (self._key, self._chain, self._authorities) if one is not None]
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]


def _credentials(server: ServeSettings) -> grpc.ServerCredentials:
    """Raises UsageError for files that cannot be read."""
    certificate = _Certificate(server)
    try:
        first = certificate.read()
    except OSError as failed:
        raise UsageError(f"the certificate or its key cannot be read: {failed.strerror}") from None
    return grpc.dynamic_ssl_server_credentials(
        first, certificate.renewed, require_client_authentication=bool(server.tls_client_ca)
    )
