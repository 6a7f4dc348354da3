"""Where the files of records and labels lie, and what their names say."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".parquet"


class Piece(NamedTuple):
    """A Parquet file: what a segment held from `offset` on, for one model and one hour (labels: one day) of arrival."""

    segment: str
    offset: int
    path: Path


def records_folder(home: Path, model: str) -> Path:
    return Path(home) / "records" / model


def labels_folder(home: Path, model: str) -> Path:
    return Path(home) / "labels" / model


def hour_of(arrived: float) -> tuple[str, str]:
    """Date and hour (UTC) under which a record lies."""
    moment = datetime.fromtimestamp(arrived, UTC)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H")


def day_of(arrived: float) -> str:
    """Date (UTC) under which a label lies; the first and last there are for what no calendar has."""
    try:
        return hour_of(arrived)[0]
    except (OverflowError, ValueError, OSError):
        return "" if arrived < 0 else "9"


def piece_path(folder: Path, segment: str, offset: int) -> Path:
    return folder / f"{segment}-{offset}{SUFFIX}"


def piece_of(path: Path) -> Piece:
    """What the name of a file says."""
    segment, _, offset = path.name.removesuffix(SUFFIX).rpartition("-")
    return Piece(segment, int(offset), path)


def home_and_place(path: Path) -> tuple[Path, str]:
    """The home of a piece, and where in it the piece lies: records have an hour below their day, labels do not."""
    depth = 5 if len(path.parent.name) == 2 else 4
    return path.parents[depth - 1], "/".join(path.parts[-depth:])


def pieces(folder: Path, first_day: str = "", last_day: str = "9") -> list[Piece]:
    """All files below a model's folder whose day of arrival lies in [first_day, last_day], oldest first."""
    found: list[Piece] = []
    for day in sorted(_names(folder)):
        if first_day <= day <= last_day:
            found += _pieces_below(folder / day)
    return found


def _pieces_below(folder: Path) -> list[Piece]:
    """Files of a folder by segment and offset, then those of its folders by name."""
    inside = _names(folder)
    here = [piece_of(folder / name) for name in inside if name.endswith(SUFFIX) and not name.startswith(".")]
    found = sorted(here, key=lambda piece: (piece.segment, piece.offset))
    for name in sorted(name for name in inside if "." not in name):
        found += _pieces_below(folder / name)
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
