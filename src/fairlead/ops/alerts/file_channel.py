"""Messages as lines of a file, for those who have no address yet."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fairlead.contract.errors import RemoteError


class FileChannel:
    """Appends each message to `path` (or an address `file:PATH`) as one line of JSON: at, title, body."""

    name = "file"

    def __init__(self, path: str | Path) -> None:
        self._path = Path(str(path).removeprefix("file://").removeprefix("file:"))

    def send(self, title: str, body: str) -> None:
        """Append one line in one write. Raises RemoteError if the file cannot be written."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = msgspec.json.encode({"at": at, "title": title, "body": body}) + b"\n"
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, line)
            finally:
                os.close(fd)
        except OSError as error:
            raise RemoteError(f"the alert file cannot be written: {error.strerror}") from error
