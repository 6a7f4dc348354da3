"""`[state] url` as what the driver takes: postgresql://USER@HOST:PORT/DATABASE?sslmode=...&host=/folder/of/socket."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from sqlalchemy import URL

from fairlead.contract.errors import ConfigInvalid

_KNOWN = ("host", "port", "sslmode", "sslrootcert")
_MODES = ("disable", "require", "verify-ca", "verify-full")
_NOT_FOR_THIS_NAME, _NOT_FOR_THIS_ADDRESS, _ENDED = 62, 64, 10
"""X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH, X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""
_HERE = ("", "localhost", "127.0.0.1", "::1")
_KEY = "state.url"
CONNECT_S = 10.0


class Server(msgspec.Struct, frozen=True):
    """Where to connect and how. arguments: the driver's own."""

    url: URL
    arguments: dict[str, Any]


def parse(address: str, password: str = "") -> Server:
    """Read an address. Raises ConfigInvalid that never repeats a secret.

    TLS with a verified certificate is the rule, plain connections are for this machine alone or for who says
    sslmode=disable; sslmode and sslrootcert mean what they mean to psql.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ConfigInvalid("is no address.", key=_KEY, cure="As postgresql://USER@HOST:5432/DATABASE.") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_KNOWN))
    if unknown:
        raise ConfigInvalid(f"unknown option {unknown[0]!r}.", key=_KEY, cure=f"Known: {', '.join(_KNOWN)}.")
    database, user = unquote(parts.path.lstrip("/")), unquote(parts.username or "")
    if not database or not user:
        what = "names no database." if not database else "names no user."
        raise ConfigInvalid(what, key=_KEY, cure="As postgresql://USER@HOST:5432/DATABASE.")
    host, given = options.get("host", parts.hostname or "localhost"), options.get("port", str(port or 5432))
    if not (given.isascii() and given.isdigit() and 0 < int(given) < 65536):
        raise ConfigInvalid("port is a number from 1 to 65535.", key=_KEY)
    port = int(given)
    secret = password or unquote(parts.password or "") or None
    arguments: dict[str, Any] = {"timeout": None}
    if host.startswith("/"):
        arguments["unix_sock"] = f"{host}/.s.PGSQL.{port}"
        arguments["host"] = None
        return Server(URL.create("postgresql+pg8000", user, secret, database=database), arguments)
    arguments["ssl_context"] = _tls(options, host)
    return Server(URL.create("postgresql+pg8000", user, secret, host, port, database), arguments)


def without_secret(address: str) -> str:
    """The address for people: without password."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    user = f"{parts.username}@" if parts.username else ""
    where = parts.hostname or ""
    place = f"{user}{where}" + (f":{parts.port}" if parts.port else "")
    return parts._replace(netloc=place).geturl()


def distrust(error: ssl.SSLError) -> str:
    """Why the database's certificate was not taken, and what to do."""
    whose = "the certificate of the state database"
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS with the state database fails: {error.reason or type(error).__name__}"
    if error.verify_code in (_NOT_FOR_THIS_NAME, _NOT_FOR_THIS_ADDRESS):
        name = error.verify_message.rpartition("not valid for ")[2].rstrip(".") or "this host"
        return f"{whose} is not for {name}: write the host in [state] url as the certificate does"
    if error.verify_code == _ENDED:
        return f"{whose} has ended: renew it there"
    return f"{whose} is not by an authority known here: ?sslrootcert=FILE.pem in [state] url names the one that made it"


def _tls(options: dict[str, str], host: str) -> ssl.SSLContext | bool | None:
    """What the driver takes: a context, False for plain, None for TLS unproven where the server of this machine has
    it and plain where not, as psql does."""
    mode = options.get("sslmode", "" if host in _HERE else "verify-full")
    if not mode:
        return None
    if mode not in _MODES:
        raise ConfigInvalid(f"sslmode {mode!r} is not known.", key=_KEY, cure=f"Known: {', '.join(_MODES)}.")
    if mode == "disable":
        return False
    try:
        context = ssl.create_default_context(cafile=options.get("sslrootcert") or None)
    except (OSError, ssl.SSLError):
        raise ConfigInvalid("sslrootcert cannot be read.", key=_KEY, cure="It is a PEM file.") from None
    if mode != "verify-full":
        context.check_hostname = False
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
