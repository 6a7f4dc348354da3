"""Where the files of records and labels lie, and what their names say."""

from __future__ import annotations

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


def piece_path(folder: Path, segment: str, offset: int) -> Path:
    return folder / f"{segment}-{offset}{SUFFIX}"


def piece_of(path: Path) -> Piece:
    """What the name of a file says."""
    segment, _, offset = path.name.removesuffix(SUFFIX).rpartition("-")
    return Piece(segment, int(offset), path)


def pieces(folder: Path, first_day: str = "", last_day: str = "9") -> list[Piece]:
    """All files below a model's folder whose day of arrival lies in [first_day, last_day], oldest first."""
    found: list[Piece] = []
    try:
        days = sorted(entry for entry in folder.iterdir() if first_day <= entry.name <= last_day)
    except FileNotFoundError:
        return found
    for day in days:
        found.extend(piece_of(path) for path in day.rglob(f"*{SUFFIX}") if not path.name.startswith("."))
    return sorted(found, key=lambda piece: (piece.path.parent, piece.segment, piece.offset))
