"""What travels between the driver and its executors: errors as they are, and folders, each sent once."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract import errors

MOST_FILES = 10_000
MOST_BYTES = 1 << 30


def told(error: errors.FairleadError) -> str:
    """An error as text, with all it holds."""
    held = {name: value for name, value in vars(error).items() if _plain(value)}
    return msgspec.json.encode({"kind": type(error).__name__, "says": str(error), "holds": held}).decode()


def error_of(text: str) -> errors.FairleadError:
    """The same error again; a RemoteError in the place of one that the contract does not know."""
    found = msgspec.json.decode(text)
    kind: Any = getattr(errors, found["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, errors.FairleadError)):
        return errors.RemoteError(found["says"])
    again = kind.__new__(kind)
    Exception.__init__(again, found["says"])
    for name, value in found["holds"].items():
        setattr(again, name, tuple(value) if isinstance(value, list) else value)
    assert isinstance(again, errors.FairleadError)
    return again


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_plain(part) for part in value)
    return value is None or isinstance(value, str | int | float | bool)


def packed(folder: Path) -> bytes:
    """A folder as a tar: the same files, the same bytes. Links are left out; a bundle has none."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size, info.mode = path.stat().st_size, 0o600
            with path.open("rb") as file:
                archive.addfile(info, file)
    return held.getvalue()


def unpacked(archive: Path, to: Path) -> None:
    """Its files under `to`. Whoever opens them verifies them; here only their place and number are bounded.

    Raises BundleRefused for an archive that is damaged, too large, or holds anything but files below `to`.
    """
    try:
        with tarfile.open(archive, mode="r:") as held:
            members = held.getmembers()
            if len(members) > MOST_FILES or sum(m.size for m in members) > MOST_BYTES:
                raise errors.BundleRefused("what was shipped is larger than a bundle may be")
            held.extractall(to, members, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise errors.BundleRefused(f"what was shipped did not arrive whole: {type(error).__name__}") from error
