"""How far the collector is with a worker's segments: one file per worker folder, replaced atomically.

It is written after the Parquet files of a range are durable and before a segment is removed, which is all that
crash safety needs: a range that was not noted is collected again under the same file names.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from fairlead.contract.errors import FormatUnknown, StateError

FILE = "collected.json"
FORMAT = 1


class Progress(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """offset: bytes collected. done: finished and collected whole, so the file may go.

    start: where the open range begins, whose file is written again, longer, while it is small; rows, shadows,
    labels: in the open range.
    """

    offset: int = 0
    start: int = 0
    rows: int = 0
    shadows: int = 0
    labels: int = 0
    done: bool = False


class _Format(msgspec.Struct):
    format: int = FORMAT


class Cursor(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """rows, labels, shadows: collected from this worker since its first segment. segments: by file name."""

    format: int = FORMAT
    rows: int = 0
    labels: int = 0
    shadows: int = 0
    segments: dict[str, Progress] = {}


def read_cursor(folder: Path) -> Cursor:
    """The cursor of a worker folder. Raises FormatUnknown for one that a newer version wrote, StateError for what is no
    cursor: to begin anew could collect twice what was collected in other ranges."""
    try:
        raw = (folder / FILE).read_bytes()
        if (found := msgspec.json.decode(raw, type=_Format).format) != FORMAT:
            raise FormatUnknown(f"{FILE} has format {found}; this version knows format {FORMAT}")
        return msgspec.json.decode(raw, type=Cursor)
    except FileNotFoundError:
        return Cursor()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise StateError(
            f"{FILE} of {folder.parent.name}/{folder.name} is damaged, and with it how far the spool was collected: "
            "bring it back from a backup of the home"
        ) from None


def write_cursor(folder: Path, cursor: Cursor) -> None:
    """Replace the cursor, durably."""
    write_durable(folder / FILE, msgspec.json.encode(cursor))


def write_durable(path: Path, data: bytes) -> None:
    """A file that is there whole, also after a loss of power."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
