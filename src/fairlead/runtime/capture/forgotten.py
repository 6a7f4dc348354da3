"""Whose rows are to be erased, and what was: one small file per request to forget, with hashes in place of values.

`forget/<id>.json` in the home. While it is open the collector erases by it whatever it brings in from the segments
that were there when it was asked; once they are gone it is closed, and keeps counts alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from fairlead.contract.errors import FormatUnknown
from fairlead.runtime.capture.cursor import sync_folder, write_durable

FOLDER = "forget"
KEY_FILE = "forget.key"
FORMAT = 1


class Entry(msgspec.Struct, omit_defaults=True):
    """One request to forget. All values stand as keyed hashes.

    model: "" for every model. columns: of records where the value is looked for, the first that a file has.
    values: the forms that the value may have there. segments: of the spool, still to be waited for. swept: whether
    all files there were have been gone through. rows, keys: requests and keys of erased records, whose labels go, too.
    records, labels, workers: what was erased, counted when it closes; workers: records by "<instance>/<worker>".
    """

    id: str
    asked: float
    model: str = ""
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    swept: bool = False
    rows: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    done: bool = False
    records: int = 0
    labels: int = 0
    files: int = 0
    workers: dict[str, int] = {}
    format: int = FORMAT


def entries(home: Path, *, opened: bool = False) -> list[Entry]:
    """Requests to forget, oldest first; opened: only those that are not done."""
    found = []
    for path in sorted((Path(home) / FOLDER).glob("*.json")):
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=Entry)
        except FileNotFoundError:
            continue
        except msgspec.MsgspecError:
            raise FormatUnknown(f"{FOLDER}/{path.name} cannot be read as what it should be") from None
        if entry.format != FORMAT:
            raise FormatUnknown(f"{FOLDER}/{path.name} has format {entry.format}; this version knows format {FORMAT}")
        if not (opened and entry.done):
            found.append(entry)
    return sorted(found, key=lambda entry: entry.asked)


def keep(home: Path, entry: Entry) -> None:
    """Write an entry, durably."""
    folder = Path(home) / FOLDER
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)
    write_durable(folder / f"{entry.id}.json", msgspec.json.encode(entry))


class Hash:
    """Keyed hash of values, so that the list of the forgotten does not remember them. The key stays in the home."""

    def __init__(self, home: Path) -> None:
        self._key = _key(Path(home) / "keys" / KEY_FILE)

    def __call__(self, value: str) -> str:
        return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).hexdigest()

    def all(self, values: Iterable[str]) -> list[str]:
        return [self(value) for value in values]


@lru_cache(maxsize=16)
def _key(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text())
    except FileNotFoundError:
        pass
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write_durable(temporary, secrets.token_bytes(32).hex().encode())
    temporary.chmod(0o600)
    try:
        # Link, not rename: of two processes that make it at once, the first wins and both read the same key.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return bytes.fromhex(path.read_text())
