"""From the addresses of `alerts.to` to channels, and how an address is shown: scheme and host at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from fairlead.contract.plugins import names, variant
from fairlead.contract.ports import AlertChannel

# Elsewhere the place of the host holds a token, a topic or a phone number (slack://TokenA/..., ntfy://topic).
_GENERIC = ("form", "gotify", "http", "json", "mailto", "mqtt", "smtp", "xml", "webhook+http", "alertmanager+http")
_HOST_IS_A_HOST = frozenset([*_GENERIC, *(f"{scheme}s" for scheme in _GENERIC), "syslog"])


def channels(addresses: Sequence[str]) -> tuple[AlertChannel, ...]:
    """A channel for each address: a variant of the port named like its scheme, else what Apprise knows.

    Nothing is connected, and Apprise not imported, before the first message is sent.
    """
    return tuple(_channel(address) for address in addresses)


def shown(address: str) -> str:
    """The address without anything that may be secret.

    >>> shown("json://user:word@10.0.0.5:8000/path?key=1"), shown("slack://TokenA/TokenB/TokenC")
    ('json://10.0.0.5', 'slack')
    """
    scheme, separator, _ = address.partition("://")
    if not separator or not scheme.replace("+", "").isalnum():
        return "channel"
    if scheme.lower() not in _HOST_IS_A_HOST:
        return scheme.lower()
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    return f"{scheme.lower()}://{host}" if host else scheme.lower()


def name_of(channel: AlertChannel) -> str:
    """What a channel is called in messages, status and the database."""
    return str(getattr(channel, "name", "") or type(channel).__name__)


def named(channels: Sequence[AlertChannel]) -> dict[str, AlertChannel]:
    """Channels by name; those that share one are numbered in their order."""
    seen: Counter[str] = Counter()
    found = {}
    for channel in channels:
        name = name_of(channel)
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = channel
    return found


def _channel(address: str) -> AlertChannel:
    # webhook+https://... is a variant named webhook, which is told the whole address.
    scheme = address.partition(":")[0].lower().partition("+")[0]
    kind = scheme if scheme in names("alert") else "apprise"
    channel: AlertChannel = variant("alert", kind)(address)
    return channel
