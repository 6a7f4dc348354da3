"""fairlead.toml and the environment to settings, with the place every value comes from.

Precedence: FAIRLEAD_SECTION__KEY over the file over the default. A variable's
text is read as a TOML value if that fits the setting (30, true, ["a", "b"]), else
as it stands, else as a list at its commas.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import DOC, Settings
from fairlead.ops.project.combinations import check_combinations
from fairlead.ops.project.nested import within

PREFIX = "FAIRLEAD_"
_TABLE = re.compile(r"^\s*\[\s*([A-Za-z0-9_.\"'-]+)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)?)\s*=")
_WORDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "a table", "null": "nothing", "datetime": "a date and time", "date": "a date",
}  # fmt: skip


def load_settings(path: str | Path, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Settings of a file under an environment, and the origin of each value. Raises ConfigInvalid."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigInvalid(f"cannot be read: {error.strerror}", file=path.name) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid("is not UTF-8 text", file=path.name) from error
    return parse_settings(text, path.name, environ)


def parse_settings(
    text: str, file: str = "fairlead.toml", environ: Mapping[str, str] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Settings of the text of a project file. See `load_settings`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        what = str(error).split(" (at ")[0]
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigInvalid(f"not TOML: {what[:1].lower()}{what[1:]}", file=file, line=line) from error
    return _Reader(raw, _lines_of(text), file, environ or {}).read()


def sections() -> dict[str, dict[str, Any]]:
    """Every table of the file with the types of its keys."""
    tables = typing.get_type_hints(Settings, include_extras=True)
    return {name: typing.get_type_hints(kind, include_extras=True) for name, kind in tables.items()}


def _lines_of(text: str) -> dict[str, int]:
    # tomllib gives values without places. Keys are found by their shape, which is enough for a message:
    # at worst a line inside a multi-line text is taken for a key of that name.
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            table = found[1].replace('"', "").replace("'", "")
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            key = re.sub(r"[\s\"']", "", found[1])
            lines.setdefault(f"{table}.{key}" if table else key, number)
    return lines


class _Reader:
    """One file under one environment."""

    def __init__(self, raw: dict[str, Any], lines: dict[str, int], file: str, environ: Mapping[str, str]) -> None:
        self.raw, self.lines, self.file, self.environ = raw, lines, file, environ
        self.known = sections()
        self.origins: dict[str, str] = {}
        self.values: dict[str, dict[str, Any]] = {name: {} for name in self.known}

    def read(self) -> tuple[Settings, dict[str, str]]:
        for name, table in self.raw.items():
            self._read_table(name, table)
        for variable in sorted(self.environ):
            if variable.startswith(PREFIX) and "__" in variable:
                self._read_variable(variable, self.environ[variable])
        self._check_required()
        hints = typing.get_type_hints(Settings)
        settings = Settings(**{name: hints[name](**values) for name, values in self.values.items()})
        for section, keys in self.known.items():
            for key in keys:
                self.origins.setdefault(f"{section}.{key}", "default")
        check_combinations(settings, self._fail)
        return settings, self.origins

    def _fail(self, key: str, what: str, cure: str = "") -> ConfigInvalid:
        origin = self.origins.get(key, "")
        if origin.startswith(PREFIX):
            return ConfigInvalid(what, file=f"environment variable {origin}", key=key, cure=cure)
        outer = [key.rsplit(".", up)[0] for up in range(key.count(".") + 1)]
        line = next((self.lines[part] for part in outer if part in self.lines), 0)
        return ConfigInvalid(what, file=self.file, line=line, key=key, cure=cure)

    def _read_table(self, name: str, table: Any) -> None:
        if name not in self.known:
            raise self._fail(
                name, f"unknown {'table' if isinstance(table, dict) else 'key'}.", self._nearest_table(name)
            )
        if not isinstance(table, dict):
            raise self._fail(name, f"expected a table; write [{name}] on a line of its own.")
        for key, value in table.items():
            full = f"{name}.{key}"
            if key not in self.known[name]:
                raise self._fail(full, "unknown key.", self._nearest_key(name, key))
            try:
                self.values[name][key] = msgspec.convert(value, self.known[name][key])
            except msgspec.ValidationError as error:
                found = within(value, self.known[name][key])
                if found is not None:
                    what = found.what or _in_words(found.error, found.kind)
                    raise self._fail(full + found.path, what, found.cure) from None
                raise self._fail(full, _in_words(error, self.known[name][key]), _meaning(full)) from None
            self.origins[full] = f"{self.file}:{self.lines[full]}" if full in self.lines else self.file

    def _read_variable(self, variable: str, text: str) -> None:
        section, _, key = variable[len(PREFIX) :].lower().partition("__")
        full = f"{section}.{key}"
        self.origins[full] = variable
        if section not in self.known:
            raise self._fail(full, "unknown table.", self._nearest_table(section))
        if key not in self.known[section]:
            raise self._fail(full, "unknown key.", self._nearest_key(section, key))
        kind = self.known[section][key]
        failure: msgspec.ValidationError | None = None
        for value in _readings(text):
            try:
                self.values[section][key] = msgspec.convert(value, kind)
                return
            except msgspec.ValidationError as error:
                failure = failure or error
        raise self._fail(full, _in_words(failure, kind), _meaning(full)) from None

    def _nearest_table(self, name: str) -> str:
        near = difflib.get_close_matches(name.lower(), self.known, n=1)
        if near:
            return f"Did you mean [{near[0]}]?"
        home = [f"[{s}] {name}" for s, keys in self.known.items() if name in keys]
        return f"Did you mean {home[0]}?" if home else f"Known tables: {', '.join(self.known)}."

    def _nearest_key(self, section: str, key: str) -> str:
        near = difflib.get_close_matches(key.lower(), self.known[section], n=1)
        elsewhere = [s for s, keys in self.known.items() if key in keys]
        if elsewhere and not (near and len(elsewhere) > 1):
            return f"{key} belongs in [{elsewhere[0]}]."
        if near:
            return f"Did you mean {section}.{near[0]}?"
        everything = {f"{s}.{k}": k for s, keys in self.known.items() for k in keys}
        close = difflib.get_close_matches(key.lower(), everything.values(), n=1)
        if close:
            return f"Did you mean {next(full for full, k in everything.items() if k == close[0])}?"
        return f"Known in [{section}]: {', '.join(self.known[section])}."

    def _check_required(self) -> None:
        hints = typing.get_type_hints(Settings)
        for section in self.known:
            for field in msgspec.structs.fields(hints[section]):
                required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
                if required and field.name not in self.values[section]:
                    full = f"{section}.{field.name}"
                    raise self._fail(full, "is needed.", _meaning(full))


def _meaning(full: str) -> str:
    return f"Meaning: {DOC[full]}." if full in DOC else ""


def _readings(text: str) -> list[Any]:
    readings: list[Any] = []
    with contextlib.suppress(tomllib.TOMLDecodeError):
        readings.append(tomllib.loads(f"value = {text}")["value"])
    readings.append(text)
    readings.append([part.strip() for part in text.split(",") if part.strip()])
    return readings


def _in_words(error: msgspec.ValidationError | None, kind: Any) -> str:
    """What msgspec found wrong, in words, without the value."""
    choices = _choices(kind)
    message = str(error)
    if choices and "Expected `" not in message:
        return f"expected one of {', '.join(choices)}."
    message, _, where = message.partition(" - at `$")
    if "regex" in message:
        return "holds characters that are not allowed; letters, digits, '.', '_' and '-' are."
    message = re.sub(
        r"`([^`]+)`", lambda m: " or ".join(_WORDS.get(w.strip(), w.strip()) for w in m[1].split("|")), message
    )
    inside = " in the list" if where.startswith("[") else ""
    message = message[:1].lower() + message[1:]
    return f"{message.replace(', got ', ', found ')}{inside}." + (f" Allowed: {', '.join(choices)}." if choices else "")


def _choices(kind: Any) -> list[str]:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return ["false" if c is False else "true" if c is True else repr(c) for c in typing.get_args(kind)]
    if origin in (typing.Union, types.UnionType):
        parts = typing.get_args(kind)
        if all(typing.get_origin(p) is typing.Literal for p in parts):
            return [c for p in parts for c in _choices(p)]
    return []
