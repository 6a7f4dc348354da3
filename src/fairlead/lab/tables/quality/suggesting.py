"""Suggestions as lines of fairlead.toml: merged, printed, and put into a project file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.tables.quality.report import Suggestion

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")
_HEADER = re.compile(r"^\s*\[(?!\[)(.+)\]\s*(#.*)?$")

_ORDER = ("model", "data", "train", "preparation")
Chosen = dict[tuple[str, ...], dict[str, Any]]


def exclude(column: str, why: str) -> Suggestion:
    """Leave a column out of the features."""
    return Suggestion(("model",), "exclude", column, why, add=True)


def prepare(column: str, key: str, value: Any, why: str) -> Suggestion:
    """Another way to prepare one column."""
    return Suggestion(("preparation", "columns", column), key, value, why)


def merged(suggestions: Iterable[Suggestion], settings: Mapping[str, Any] | None = None) -> Chosen:
    """Table -> key -> value. Where two suggest the same key the first stands; lists are joined.

    settings: what fairlead.toml says now, as nested dicts: a list that is there is kept and added to. A column that
    is to be excluded is not prepared as well.
    """
    kept = list(suggestions)
    out = {s.value for s in kept if s.key == "exclude" and s.add}
    chosen: Chosen = {}
    for s in kept:
        if s.table[:2] == ("preparation", "columns") and s.table[-1] in out:
            continue
        keys = chosen.setdefault(s.table, {})
        if not s.add:
            keys.setdefault(s.key, s.value)
            continue
        if s.key not in keys:
            keys[s.key] = list(_at(settings or {}, (*s.table, s.key)) or ())
        if s.value not in keys[s.key]:
            keys[s.key].append(s.value)
    return chosen


def as_toml(chosen: Chosen) -> str:
    """The lines to put into fairlead.toml.

    >>> print(as_toml({("model",): {"exclude": ["a b"]}}), end="")
    [model]
    exclude = ["a b"]
    """
    parts = []
    for table, keys in sorted(chosen.items(), key=lambda part: _ORDER.index(part[0][0])):
        lines = [f"[{'.'.join(_name(p) for p in table)}]", *(f"{_name(k)} = {_value(v)}" for k, v in keys.items())]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def with_lines(text: str, chosen: Chosen) -> str:
    """A project file with these keys in it: in their tables where those are there, else in new ones at the end.

    text: the file; all that is not asked for stays as it is, comments too. Raises ConfigInvalid where a key that is
    to change takes several lines: those are left to a person.
    """
    lines = text.splitlines()
    for table, keys in chosen.items():
        name = ".".join(_name(p) for p in table)
        start = next((i for i, line in enumerate(lines) if _header(line) == name), None)
        if start is None:
            lines += ["", f"[{name}]", *(f"{_name(k)} = {_value(v)}" for k, v in keys.items())]
            continue
        end = next((i for i in range(start + 1, len(lines)) if _header(lines[i])), len(lines))
        for key, value in keys.items():
            said = f"{_name(key)} = {_value(value)}"
            at = next((i for i in range(start + 1, end) if _key(lines[i]) == key), None)
            if at is None:
                lines.insert(start + 1, said)
                end += 1
            elif lines[at].count("[") != lines[at].count("]"):
                raise ConfigInvalid("takes several lines; change it by hand.", line=at + 1, key=f"{name}.{key}")
            else:
                lines[at] = said
    return "\n".join(lines) + "\n"


def _header(line: str) -> str:
    found = _HEADER.match(line)
    return "" if found is None else found[1].strip()


def _key(line: str) -> str:
    name, _, rest = line.partition("=")
    return name.strip().strip("\"'") if rest and not name.lstrip().startswith("#") else ""


def _at(settings: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    here: Any = settings
    for part in path:
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def _name(part: str) -> str:
    return part if _BARE.match(part) else _text(part)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_name(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _text(value: str) -> str:
    # JSON escapes a text as TOML does, but for DEL and for halves of surrogate pairs, which TOML has none of.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
