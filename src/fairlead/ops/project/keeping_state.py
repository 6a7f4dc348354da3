"""`[state]`: an address without its secret, and the reference to that."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings


def check_state(settings: Settings, fail: Callable[..., ConfigInvalid]) -> None:
    """Raise what `fail(key, what, cure)` makes of a state that cannot be kept so."""
    state = settings.state
    if not state.url:
        if state.password:
            raise fail("state.password", "there is no state.url that it would belong to.")
        return
    if not state.url.startswith(("postgresql://", "postgres://")):
        raise fail("state.url", "is none that state can be kept at.", "As postgresql://USER@HOST:5432/DATABASE.")
    try:
        secret = urlsplit(state.url).password
    except ValueError:
        secret = None  # said by who opens it
    if secret is not None:
        raise fail("state.url", "a password has no place in fairlead.toml.", 'Give it as password = "env:NAME".')
    if state.password and not state.password.startswith(("env:", "file:")):
        raise fail("state.password", "is to be a reference.", "Give env:NAME or file:PATH.")
