"""TLS to a broker, as the options of its address say: `ca`, and `cert` with `key` where the broker asks who comes."""

from __future__ import annotations

import ssl

from fairlead.contract.errors import UsageError
from fairlead.contract.streams import Address

OPTIONS = ("ca", "cert", "key")
"""Paths of PEM files. ca: who may have signed the broker's certificate; without it, whom the system trusts."""


def context_of(address: Address, secure: bool) -> ssl.SSLContext | None:
    """What a client connects with; None without TLS. Certificate and host name are checked always.

    Raises UsageError for files that cannot be read, and where options of TLS stand with an address that has none.
    """
    given = [name for name in OPTIONS if name in address.options]
    if not secure:
        if given:
            raise UsageError(f"{address}: {given[0]} is for TLS, which {address.scheme}:// is without.")
        return None
    if ("cert" in given) != ("key" in given):
        raise UsageError(f"{address}: cert and key belong together.")
    try:
        context = ssl.create_default_context(cafile=address.options.get("ca"))
        if "cert" in given:
            context.load_cert_chain(address.options["cert"], address.options["key"])
    except (OSError, ssl.SSLError) as failed:
        raise UsageError(f"{address}: {', '.join(given)} cannot be used for TLS: {type(failed).__name__}.") from None
    return context
