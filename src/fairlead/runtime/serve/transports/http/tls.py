"""Certificates: TLS 1.2 and later, clients' certificates where demanded, renewed files taken up without a restart."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from typing import Any

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import ServeSettings

_log = logging.getLogger("fairlead.serve")
Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """The context that new connections are accepted with. A renewed chain gets a new one; old connections go on."""

    def __init__(self, server: ServeSettings) -> None:
        self._server = server
        self._stamp = _stamp(server)
        self._sweeps = 0
        self.context = context_of(server)

    @staticmethod
    def of(server: ServeSettings) -> Certificates | None:
        """None where the server speaks plain HTTP. Raises UsageError for files that cannot be used."""
        if not server.tls_certificate:
            for key, given in (("tls_key", server.tls_key), ("tls_client_ca", server.tls_client_ca)):
                if given:
                    raise UsageError(f"serve.{key} needs serve.tls_certificate, too")
            return None
        return Certificates(server)

    def renew(self) -> None:
        """Called by every sweep: once a second, see whether the files changed. A broken one leaves the old in place."""
        self._sweeps += 1
        if self._sweeps % 4:
            return
        stamp = _stamp(self._server)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context = context_of(self._server)
        except UsageError as broken:
            _log.error("the renewed certificate is not used, the old one goes on: %s", broken)
            return
        _log.warning("the certificate was renewed")


def context_of(server: ServeSettings) -> ssl.SSLContext:
    """A context of a server's settings. Raises UsageError that names the setting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    for key in ("tls_certificate", "tls_key", "tls_client_ca"):
        path = getattr(server, key)
        if path and not os.access(path, os.R_OK):
            raise UsageError(f"serve.{key}: there is no file to read at {path}")
    try:
        # Asked for a password, nobody would be there to type it.
        context.load_cert_chain(server.tls_certificate, server.tls_key or None, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as failed:
        said = "holds no certificate and key that belong together"
        raise UsageError(f"serve.tls_certificate with serve.tls_key: {said} ({_reason(failed)})") from None
    if server.tls_client_ca:
        try:
            context.load_verify_locations(server.tls_client_ca)
        except (ssl.SSLError, OSError) as failed:
            raise UsageError(f"serve.tls_client_ca: holds no certificate ({_reason(failed)})") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def common_name(certificate: Mapping[str, Any]) -> str | None:
    """Of a certificate as `SSLObject.getpeercert` gives it."""
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None


def _no_password() -> str:
    raise ValueError("the key has a password, which a server cannot type")


def _reason(failed: Exception) -> str:
    return getattr(failed, "reason", None) or str(failed)


def _stamp(server: ServeSettings) -> Stamp:
    """Changes when a file does; a file that is away for a moment has one, too."""
    found = []
    for path in (server.tls_certificate, server.tls_key, server.tls_client_ca):
        if not path:
            continue
        try:
            seen = os.stat(path)
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)
