"""routes.json: read by every worker, published by whoever deploys."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from fairlead.contract.errors import FormatUnknown, StateError
from fairlead.contract.routes import Routes

FORMAT = 1
FILE = "routes.json"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Routes).decode


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file whole and durably: a reader sees the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(path: Path, routes: Routes) -> None:
    """Replace routes.json, mode 0600 because it holds keys."""
    write_atomic(Path(path), msgspec.json.format(_encode(routes), indent=1) + b"\n")


def read(path: Path) -> Routes:
    """The routes now published; those of generation 0, which are empty, when nothing ever was.

    Raises FormatUnknown for a newer format, StateError for a file that is no routes file.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return Routes(generation=0)
    try:
        routes = _decode(data)
    except (msgspec.MsgspecError, UnicodeError) as bad:
        raise StateError(f"{FILE} cannot be read: {bad}") from bad
    if routes.format != FORMAT:
        raise FormatUnknown(f"{FILE} has format {routes.format}; this version knows format {FORMAT}")
    return routes


def stamp(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file was replaced: inode, size and modification time."""
    try:
        seen = os.stat(path)
    except FileNotFoundError:
        return (0, 0, 0)
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns)
