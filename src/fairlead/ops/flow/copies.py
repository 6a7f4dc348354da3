"""Copies of tables that a home keeps beside records: lines set aside, and tables fetched from stores."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec


class LetGo(msgspec.Struct, frozen=True):
    """What is no longer here. lines: set aside; fetched: copies of tables, which are fetched again when needed."""

    lines: int = 0
    fetched: int = 0


def let_go(home: Path, values: Sequence[str]) -> LetGo:
    """Erase the lines set aside that hold one of `values`, and every fetched copy.

    A copy may be of any format and compressed, and it is only a cache: all of them go, whether they hold the values or
    not. A line holds a value when it is there as a word of its own. Safe to repeat after any interruption.
    """
    wanted = re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(value) for value in values)})(?!\w)")
    aside = home / "tables" / "set-aside"
    lines = sum(_without(path, wanted) for path in sorted(aside.glob("*.jsonl")))
    return LetGo(lines, _dropped(home / "fetched"))


def _without(path: Path, wanted: re.Pattern[str]) -> int:
    """Rewrite the file without such lines, at once or not at all; how many they were."""
    count = 0
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".new-", delete=False) as out:
        try:
            with path.open("rb") as source:
                for line in source:
                    if wanted.search(_text(line)):
                        count += 1
                    else:
                        out.write(line)
            out.flush()
            os.fsync(out.fileno())
            if count:
                os.replace(out.name, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(out.name).unlink()
    if count and not path.stat().st_size:
        path.unlink()
    return count


def _text(line: bytes) -> str:
    """The line of the table, out of what tells of it; a torn one as it is."""
    try:
        return str(msgspec.json.decode(line)["text"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return line.decode("utf-8", "replace")


def _dropped(cache: Path) -> int:
    if not cache.is_dir():
        return 0
    # Notes first: what no note names is used by no training that begins now.
    for note in cache.glob("*.json"):
        note.unlink(missing_ok=True)
    folders = [found for found in cache.iterdir() if found.is_dir()]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)
