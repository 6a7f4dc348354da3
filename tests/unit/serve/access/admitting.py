"""A home whose data plane asks who its callers are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asking import FIRST, settings

from fairlead.contract.routes import Issuer, Key, Limits, Route, Routes, Variant
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.access import hash_of, new_secret
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

REDACT = "0a0b"


def key(secret: str, name: str = "app", **rules: Any) -> Key:
    """A key of that secret."""
    return Key(id=f"k-{name}", name=name, hash=hash_of(secret), **rules)


def allow(
    home: Path,
    *keys: Key,
    generation: int = 1,
    models: tuple[str, ...] = ("churn",),
    purposes: tuple[str, ...] = (),
    issuers: tuple[Issuer, ...] = (),
    variants: tuple[Variant, ...] = (Variant("champion", FIRST, 1),),
) -> Routes:
    """Publish stand-ins under these names, for these keys."""
    routes = tuple(Route(name, variants, purposes=purposes) for name in models)
    told = Routes(generation, routes, redact_key=REDACT, limits=Limits(), keys=keys, issuers=issuers)
    publish(home / "routes.json", told)
    return told


@contextlib.contextmanager
def guarded(home: Path, **server: Any) -> Iterator[DataPlane]:
    """The data plane of slot 0, where callers must say who they are."""
    access = AccessSettings(required=server.pop("required", True))
    aliases = server.pop("aliases", {})
    made = open_plane(0, {**settings(home), "aliases": aliases, "access": access, "server": ServeSettings(**server)})
    try:
        yield made
    finally:
        made.close()


def secrets(count: int) -> list[str]:
    """Fresh secrets."""
    return [new_secret() for _ in range(count)]
