"""Asking the running server of a home: where it is, whom to trust, and with which key."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from fairlead.ops.flow import Workspace

if TYPE_CHECKING:
    import httpx

PATIENCE_S = 60.0


def located(ws: Workspace) -> tuple[str, bool]:
    """(base URL, whether a worker of this home lives there): where one lives, else as configured."""
    from fairlead.runtime.serve import live_workers
    from fairlead.runtime.serve.workers import url_of

    for worker in live_workers(ws.home.root):
        if worker.port:
            return worker.url, True
    serve = ws.settings.serve
    return url_of("https" if serve.tls_certificate else "http", serve.host, serve.port), False


def post(ws: Workspace, path: str, body: bytes) -> httpx.Response:
    """POST to the running server, with a key where it wants one. Raises httpx.TransportError.

    The key is that of FAIRLEAD_KEY; else the one this home keeps for itself, which is sent to this home's own
    server alone, and made when that first asks for it.
    """
    import httpx

    from fairlead.runtime.serve.access import VARIABLE

    url, ours = located(ws)
    given = os.environ.get(VARIABLE, "").strip()
    secret = given or (_stored(ws) if ours else None)
    with httpx.Client(timeout=PATIENCE_S, verify=_trust(ws, ours)) as client:
        reply = client.post(f"{url}{path}", content=body, headers=_proof(secret))
        if reply.status_code == 401 and ours and not given:
            reply = client.post(f"{url}{path}", content=body, headers=_proof(_own(ws)))
        return reply


def _proof(secret: str | None) -> dict[str, str]:
    return {"x-api-key": secret} if secret else {}


def _stored(ws: Workspace) -> str | None:
    from fairlead.ops.access import stored_secret

    return stored_secret(ws.home.keys)


def _own(ws: Workspace) -> str:
    """The home's own key, made if need be and known to the workers when this returns."""
    from fairlead.ops.access import own_secret
    from fairlead.ops.flow.admitting import keyring, publish_keys

    secret, _ = own_secret(keyring(ws), ws.home.keys)
    publish_keys(ws)
    return secret


def _trust(ws: Workspace, ours: bool) -> Any:
    """Our own server is known by the very certificate that is configured, whatever name it is reached by here."""
    certificate = ws.settings.serve.tls_certificate
    if not certificate or not ours:
        return True
    context = ssl.create_default_context(cafile=str(ws.project.root / certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
