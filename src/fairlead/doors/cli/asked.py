"""The program with the one verb that is asked for: making all fifty of them takes longer than most verbs do."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import typer

WITH_VALUE = frozenset({"-C", "--project"})
"""Options before the verb that take the next word as their value."""


def asked(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """The same program with no verb but the one among the words; all of it where there is none, or help is asked for.

    words: of the command line, without the program's name.
    """
    verb = _verb(words)
    commands = [c for c in app.registered_commands if (c.name or _spelled(c.callback)) == verb]
    groups = [g for g in app.registered_groups if g.name == verb]
    if len(commands) + len(groups) != 1:
        return app
    found = copy.copy(app)
    found.registered_commands, found.registered_groups = commands, groups
    return found


def _verb(words: Sequence[str]) -> str:
    rest = iter(words)
    for word in rest:
        if word in WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
        elif not word.startswith("--project="):
            return ""
    return ""


def _spelled(callback: object) -> str:
    return str(getattr(callback, "__name__", "")).replace("_", "-")
