"""Messages as JSON to an address of yours, signed so that the receiver knows who sent them, and when.

    webhook+https://example.org/hooks/fairlead?secret=env:HOOK_SECRET

The signature is HMAC-SHA256 over `<timestamp>.<id>.<body>`, in hex, in the header `fairlead-signature: v1=...`, with
`fairlead-timestamp` (seconds since the epoch) and `fairlead-id` beside it. A receiver takes a message whose signature
holds, whose timestamp is within five minutes of its clock, and whose id it has not seen: nothing can be replayed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.incidents import Alert
from fairlead.ops.alerts.addresses import shown
from fairlead.ops.alerts.posting import post
from fairlead.ops.alerts.secrets import resolved

TOLERANCE_S = 300.0
SIGNATURE, TIMESTAMP, IDENTITY = "fairlead-signature", "fairlead-timestamp", "fairlead-id"


def signature_of(secret: str, timestamp: str, identity: str, body: bytes) -> str:
    """What `fairlead-signature` is to be.

    >>> signature_of("s", "1", "a", b"{}")[:11]
    'v1=59f47dd6'
    """
    signed = f"{timestamp}.{identity}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def verified(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a request came from who knows the secret, at most five minutes ago: what a receiver does.

    headers: names in lower case. The receiver keeps `fairlead-id` for five minutes and takes each once.
    """
    timestamp, identity = headers.get(TIMESTAMP, ""), headers.get(IDENTITY, "")
    try:
        fresh = abs(now - float(timestamp)) <= TOLERANCE_S
    except ValueError:
        return False
    expected = signature_of(secret, timestamp, identity, body)
    return fresh and hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").encode())


class WebhookChannel:
    """One address that takes JSON. `?secret=env:NAME` or `?secret=file:PATH` is what messages are signed with."""

    pictures = False

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        asked = parse_qsl(split.query, keep_blank_values=True)
        self._url = split
        self._secret = next((value for key, value in asked if key == "secret"), "")
        rest = urlencode([(key, value) for key, value in asked if key != "secret"])
        self._path = (split.path or "/") + (f"?{rest}" if rest else "")
        self.name = shown(url)

    def __repr__(self) -> str:
        return f"WebhookChannel({self.name!r})"

    def check(self) -> None:
        """Raises ConfigInvalid for an address that nothing could be sent to."""
        if self._url.scheme not in ("webhook+http", "webhook+https") or not self._url.hostname:
            cure = "Write it as webhook+https://host/path?secret=env:NAME."
            raise ConfigInvalid(f"{self.name}: this is no address of a webhook.", key="alerts.to", cure=cure)

    def send(self, title: str, body: str) -> None:
        """Deliver words alone."""
        self._post(
            {"kind": "message", "title": title, "body": body}, hashlib.sha256(f"{title}\n{body}".encode()).hexdigest()
        )

    def tell(self, alert: Alert) -> None:
        """Deliver an alert with its incident. Raises RemoteError."""
        message = msgspec.to_builtins(msgspec.structs.replace(alert, picture=b""))
        message.pop("picture", None)
        self._post(message, alert.id)

    def _post(self, message: dict[str, Any], identity: str) -> None:
        body = msgspec.json.encode(message)
        timestamp = f"{time.time():.0f}"
        # A header holds no line breaks and no other letters; ids of ours are plain, those of others may not be.
        plain = hashlib.sha256(identity.encode()).hexdigest()[:32]
        headers = {"content-type": "application/json", TIMESTAMP: timestamp, IDENTITY: plain}
        if self._secret:
            headers[SIGNATURE] = signature_of(resolved(self._secret, f"{self.name}: secret"), timestamp, plain, body)
        post(self._url, self._path, body, headers, self.name)
