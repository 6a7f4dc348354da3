"""Whether a server may be started on an address, and whether it asks who its callers are."""

from __future__ import annotations

import ipaddress
import socket

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import AccessSettings, ServeSettings


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`: an address, or a name all of whose addresses are such.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    if not host:
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(one[4][0]).split("%")[0]).is_loopback for one in found)


def is_required(host: str, server: ServeSettings, access: AccessSettings) -> bool:
    """Whether callers must say who they are: as set, else on any address but loopback, or where a platform asks."""
    if access.required is not None:
        return access.required
    return not is_loopback(host) and not server.platform


def require_safe(host: str, server: ServeSettings) -> None:
    """Raises UsageError where keys, rows and answers would cross a network unencrypted without anybody's word."""
    if server.tls_certificate or server.insecure or server.platform or is_loopback(host):
        return
    raise UsageError(
        f"{host or 'every address'} can be reached from other machines, and there is no TLS. One of three is needed: "
        "a certificate ([serve] tls_certificate and tls_key); a platform that ends TLS in front of this server "
        "([serve] platform = sagemaker, vertex, azureml or kserve); or your word that plain HTTP is meant here "
        "(--insecure, or [serve] insecure = true)."
    )
