"""Who may ask, published: keys and issuers of tokens as part of routes.json, confirmed by every live worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import ConfigInvalid, RemoteError, UsageError
from fairlead.contract.routes import Issuer
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.ops.access import Keyring
    from fairlead.ops.state import FileLock

CONFIRM_S = 30.0
_ISSUERS = "issuers:"


class Published(msgspec.Struct, frozen=True):
    """confirmed: workers that answer with this generation; None when no server is running."""

    generation: int
    confirmed: int | None


def keyring(ws: Workspace) -> Keyring:
    """The keys of this home."""
    from fairlead.ops.access import Keyring

    # Keys are about people and programs now, whatever clock the loop runs by.
    return Keyring(ws.state, ws.audit, ws.actor)


def routes_lock(ws: Workspace) -> FileLock:
    """Held while routes.json is read, changed and written, so that no two publications undo each other."""
    from fairlead.ops.state import FileLock

    return FileLock(ws.home.run / "publish.lock")


def admitted(ws: Workspace) -> dict[str, Any]:
    """The fields of `Routes` that say who may ask: of this home, whichever of its projects publishes."""
    mine = msgspec.json.encode(issuers(ws))
    if ws.state.get(_ISSUERS + ws.model) != mine:
        ws.state.put(_ISSUERS + ws.model, mine)
    found: dict[Issuer, None] = {}
    for name in ws.state.names(_ISSUERS):
        for issuer in msgspec.json.decode(ws.state.get(name) or b"[]", type=list[Issuer]):
            found[issuer] = None
    return {"keys": keyring(ws).published(), "issuers": tuple(found)}


def issuers(ws: Workspace) -> tuple[Issuer, ...]:
    """Those of this project; a file of keys by its full path. Raises ConfigInvalid."""
    from fairlead.runtime.serve.access import issuers_of

    try:
        found = issuers_of(ws.settings.access)
    except UsageError as wrong:
        raise ConfigInvalid(str(wrong), file="fairlead.toml") from None
    return tuple(
        one if "://" in one.jwks else msgspec.structs.replace(one, jwks=str(ws.project.root.absolute() / one.jwks))
        for one in found
    )


def publish_keys(ws: Workspace) -> Published:
    """Tell the data plane who may ask from now on, and wait until every live worker does as told.

    Raises RemoteError when one does not say so in time; what was published stays, so that nothing revoked comes back.
    """
    from fairlead.runtime.serve import confirm, publish, read

    with routes_lock(ws):
        before = read(ws.home.routes)
        generation = max(ws.state.next_generation(), before.generation + 1)
        told = msgspec.structs.replace(before, generation=generation, redact_key=ws.redact_key, **admitted(ws))
        publish(ws.home.routes, told)
    confirmation = confirm(ws.home.root, generation, timeout_s=CONFIRM_S)
    if confirmation.workers == 0:
        return Published(generation, None)
    if not confirmation.confirmed:
        raise RemoteError(
            f"the keys are published, and not every worker has confirmed them: {'; '.join(confirmation.refused)}"
        )
    return Published(generation, confirmation.workers)


def bring_up_to_date(ws: Workspace) -> bool:
    """Publish anew where fairlead.toml says something else of who may ask than the data plane was told."""
    from fairlead.runtime.serve import publish, read

    with routes_lock(ws):
        before = read(ws.home.routes)
        mine = {"purposes": ws.settings.serve.purposes}
        routes = [msgspec.structs.replace(r, **mine) if r.model == ws.model else r for r in before.routes]
        told = msgspec.structs.replace(before, routes=tuple(routes), **admitted(ws))
        if told == before:
            return False
        generation = max(ws.state.next_generation(), before.generation + 1)
        publish(ws.home.routes, msgspec.structs.replace(told, generation=generation))
    return True
