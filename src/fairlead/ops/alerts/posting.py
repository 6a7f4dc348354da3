"""One HTTP request of a channel: bounded in time and answer, redirects not followed, errors without the address."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult

from fairlead.contract.errors import RemoteError

WAIT_S = 8.0
MOST_ANSWER = 4096


def post(url: SplitResult, path: str, body: bytes, headers: Mapping[str, str], name: str) -> None:
    """POST and be content with any 2xx. Raises RemoteError; what it says holds neither path nor credentials."""
    if url.hostname is None:
        raise RemoteError(f"{name}: the address has no host")
    try:
        connection: http.client.HTTPConnection
        if url.scheme.endswith("https"):
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=WAIT_S, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=WAIT_S)
    except ValueError:
        raise RemoteError(f"{name}: the address has no port that is a number") from None
    try:
        connection.request("POST", path, body=body, headers={**headers, "user-agent": "fairlead"})
        answer = connection.getresponse()
        answer.read(MOST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"{name} cannot be reached: {type(error).__name__}") from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise RemoteError(f"{name} answered {answer.status}")
