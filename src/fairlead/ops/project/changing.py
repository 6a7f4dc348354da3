"""Settings changed in a project file by the program: what people wrote around them stays, and the file of before is
kept."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from fairlead.contract.errors import ConfigInvalid
from fairlead.ops.project.reading import parse_settings

MOST_BACKUPS = 99


class Changed(msgspec.Struct, frozen=True):
    """diff: unified, empty where nothing differs. backup: the file of before, None where nothing was written."""

    diff: str
    backup: Path | None = None


def changed_text(text: str, changes: Mapping[str, Any]) -> str:
    """The text of a project file with other values. changes: "section.key" -> value.

    Comments, order and everything else stay as they are; a missing section is added at the end.
    Raises ConfigInvalid where the outcome is no valid project file, or a key has no section.
    """
    document = tomlkit.parse(text)
    for place, value in changes.items():
        section, _, key = place.partition(".")
        if not key or "." in key:
            raise ConfigInvalid(f"{place!r} is no setting.", key=place, cure="Write it as section.key.")
        if section not in document:
            if text and not text.endswith("\n\n"):
                document.add(tomlkit.nl())
            document[section] = tomlkit.table()
        table: Any = document[section]
        # What is already so keeps the way in which somebody wrote it.
        if key not in table or _plain(table[key]) != value:
            table[key] = value
    found = tomlkit.dumps(document)
    parse_settings(found)
    return found


def difference(before: str, after: str, name: str) -> str:
    """What changes, as a unified diff."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (rehearsed)", n=2
    )  # fmt: skip
    return "".join(lines)


def change_file(path: Path, changes: Mapping[str, Any], why: str, *, write: bool = True) -> Changed:
    """Change settings of a project file. why: names the backup, as in `fairlead.toml.before-rehearsal`.

    The file is replaced at once; the one of before stays beside it under a name of its own, so that copying it back
    undoes the change. write: False shows the difference alone. Raises ConfigInvalid, OSError.
    """
    before = path.read_text("utf-8")
    after = changed_text(before, changes)
    told = difference(before, after, path.name)
    if not told or not write:
        return Changed(told)
    backup = _kept(path, before, why)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Changed(told, backup)


def _kept(path: Path, text: str, why: str) -> Path:
    for number in range(1, MOST_BACKUPS + 1):
        backup = path.with_name(f"{path.name}.before-{why}" + (f"-{number}" if number > 1 else ""))
        try:
            with backup.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return backup
    raise ConfigInvalid(
        f"there are {MOST_BACKUPS} backups beside {path.name} already.", file=path.name, cure="Remove some of them."
    )


def _plain(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value
