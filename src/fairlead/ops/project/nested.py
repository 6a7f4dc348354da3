"""What is wrong inside a table of settings, by the key it is wrong at."""

from __future__ import annotations

import difflib
import typing
from typing import Any, NamedTuple

import msgspec


class Within(NamedTuple):
    """path: keys from the setting on, as ".age.scale". cure: the nearest thing that is known; empty without one."""

    path: str
    kind: Any
    error: msgspec.ValidationError | None
    what: str
    cure: str


def within(value: Any, kind: Any) -> Within | None:
    """The first thing that does not fit, in a table that is a struct or a table of them; None for any other kind."""
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        inner = typing.get_args(kind)[1]
        for key, own in value.items():
            found = within(own, inner)
            if found is not None:
                return found._replace(path=f".{key}{found.path}")
        return None
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict)):
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    for key, own in value.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key).lower(), hints, n=1)
            cure = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(hints)}."
            return Within(f".{key}", None, None, "unknown key.", cure)
        try:
            msgspec.convert(own, hints[key])
        except msgspec.ValidationError as error:
            words = _words(hints[key])
            near = difflib.get_close_matches(str(own).lower(), words, n=1)
            return Within(f".{key}", _only(hints[key]), error, "", f"Did you mean {near[0]!r}?" if near else "")
    return None


def _only(kind: Any) -> Any:
    """`kind` without the None that stands for a key that is not given."""
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    return parts[0] if type(None) in typing.get_args(kind) and len(parts) == 1 else kind


def _words(kind: Any) -> list[str]:
    kind = _only(kind)
    return [str(word) for word in typing.get_args(kind)] if typing.get_origin(kind) is typing.Literal else []
