"""Whether a server may be started on an address, and whether it asks who its callers are."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from fairlead.contract.errors import UsageError
from fairlead.contract.routes import Issuer, Key, Routes
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.serve.access.secret import hash_of

VARIABLE = "FAIRLEAD_KEY"
"""Environment variable of the key that a client sends, and of the one that a bundle served alone takes."""

LEAST_CHARACTERS = 32


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


def issuers_of(access: AccessSettings) -> tuple[Issuer, ...]:
    """The issuer that the settings name, if they name one whole. Raises UsageError for half of one."""
    given = (access.issuer, access.audience, access.jwks)
    if not any(given):
        return ()
    if not all(given):
        raise UsageError("[access] issuer, audience and jwks belong together: give all three, or none.")
    from fairlead.runtime.serve.access.fetching import is_fetchable

    if not is_fetchable(access.jwks):
        raise UsageError("[access] jwks must be a file or an https address (http on this machine alone).")
    return (Issuer(access.issuer, access.audience, access.jwks, access.claim),)


def keys_of_environment(environ: Mapping[str, str]) -> tuple[Key, ...]:
    """For a bundle served without a home, which has no keys of its own: the key that `FAIRLEAD_KEY` holds.

    Raises UsageError for one that could be guessed.
    """
    secret = environ.get(VARIABLE, "").strip()
    if not secret:
        return ()
    if len(secret) < LEAST_CHARACTERS:
        raise UsageError(f"{VARIABLE} needs at least {LEAST_CHARACTERS} characters: `openssl rand -hex 32` makes some.")
    return (
        Key(id="environment", name=VARIABLE, hash=hash_of(secret), verbs=("predict", "explain", "feedback", "metrics")),
    )


def closed_to_all(host: str, server: ServeSettings, access: AccessSettings, routes: Routes) -> str:
    """What the operator should know when callers need a key and there is none; empty when all is well."""
    if not is_required(host, server, access) or routes.keys or routes.issuers:
        return ""
    if server.tls_client_ca and access.required is not True:
        return ""
    return (
        "callers need a key here and there is none yet, so every request is answered with 401: make one with "
        f"`fairlead keys create --name NAME` (a bundle served without a project takes it from {VARIABLE}), "
        "or set [access] required = false to answer anybody"
    )
