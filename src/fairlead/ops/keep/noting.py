"""What a home remembers of its backups, in `run/backups.json`, which is no part of them: a home that was brought back
has none of its own yet."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fairlead.lab.tables.addresses import SCHEME
from fairlead.runtime.serve.routes import write_atomic

FILE = "backups.json"
MOST = 20


class Noted(msgspec.Struct, frozen=True):
    """The newest backup to one place.

    to: an address, or the whole path of a folder; "" where it holds a secret. every_s: how often it is repeated, 0 for
    once. verified_at: when one was last brought back and checked, 0 for never. keys: whether they are in it.
    """

    address: str
    to: str
    snapshot: str
    at: float
    epoch: int
    keys: bool
    every_s: float = 0.0
    verified_at: float = 0.0


def backups_of(run: Path) -> list[Noted]:
    """By place, the newest first; none where nothing can be read."""
    try:
        found = msgspec.json.decode((run / FILE).read_bytes(), type=list[Noted])
    except (OSError, msgspec.MsgspecError):
        return []
    # A path may have been noted with links in it.
    known = [msgspec.structs.replace(one, to=place_of(one.to, Path())) if one.to else one for one in found]
    return sorted(known, key=lambda one: -one.at)


def place_of(to: str, root: Path) -> str:
    """An address as it is, a folder by its whole path, seen from `root`."""
    return to if SCHEME.match(to) else str((root / to).resolve())


def note_backup(run: Path, noted: Noted) -> None:
    """Keep it in place of the one before; the time of the last that was checked stays."""
    known = backups_of(run)
    same = [one for one in known if one.address == noted.address or (one.to and one.to == noted.to)]
    if same and not noted.verified_at:
        noted = msgspec.structs.replace(noted, verified_at=max(one.verified_at for one in same))
    others = [one for one in known if one not in same]
    write_atomic(run / FILE, msgspec.json.encode([noted, *others][:MOST]))
