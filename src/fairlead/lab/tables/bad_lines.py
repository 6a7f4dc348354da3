"""Lines that cannot be read: told by their numbers, and where the project says so kept apart in a file.

Never dropped in silence: what is set aside is counted, its first lines are told with their reasons, and every line
lies whole in a file that names why.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, Literal

import msgspec

from fairlead.contract.errors import SourceUnreadable, UsageError

MOST_TOLD = 10
CURE = 'Mend them, or set [data] bad_lines = "set_aside" to keep such lines apart and go on.'
Policy = Literal["stop", "set_aside"]


class BadLine(msgspec.Struct, frozen=True):
    """A line (or, of a record over several, the first) that cannot be read. Lines are numbered from 1."""

    line: int
    why: str


class SetAside(msgspec.Struct, frozen=True):
    """Lines of a table that were kept apart. lines: how many; told: the first of them; file: where all of them lie."""

    lines: int = 0
    told: tuple[BadLine, ...] = ()
    file: str = ""


class BadLines:
    """What a pass over a file found unreadable.

    name: of the file, for messages. folder: where lines are kept; None: they are told and not kept.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name, self.folder = name, folder
        self.count = 0
        self.told: list[BadLine] = []
        self._out: IO[bytes] | None = None
        self._sha = hashlib.sha256(name.encode())

    def add(self, line: int, why: str, raw: bytes = b"", lines: int = 1) -> None:
        """One more. raw: its bytes, as they came; lines: how many lines of the file it takes."""
        self.count += lines
        if len(self.told) < MOST_TOLD:
            self.told.append(BadLine(line, why))
        if self.folder is not None:
            self._keep({"line": line, "why": why, "text": raw.decode("utf-8", "backslashreplace").rstrip("\r\n")})

    def _keep(self, entry: dict[str, object]) -> None:
        assert self.folder is not None
        if self._out is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._out = tempfile.NamedTemporaryFile(dir=self.folder, prefix=".new-", delete=False)  # noqa: SIM115
        data = msgspec.json.encode(entry) + b"\n"
        self._sha.update(data)
        self._out.write(data)

    def refusal(self) -> SourceUnreadable:
        """The error that stops the reading: every line with its reason, as far as a message may go."""
        return SourceUnreadable(f"{self.name}: {self.words()}. {CURE}")

    def words(self) -> str:
        """The first lines with their reasons, and how many more there are."""
        said = "; ".join(f"line {bad.line}: {bad.why}" for bad in self.told)
        more = self.count - len(self.told)
        return said + (f"; and {more:,} more line{'s' if more > 1 else ''}" if more > 0 else "")

    def discard(self) -> None:
        """Nothing is kept: the reading failed for another reason."""
        if self._out is not None:
            self._out.close()
            Path(self._out.name).unlink(missing_ok=True)
            self._out = None

    def kept(self) -> SetAside:
        """Close the file under a name that its content gives it, so that reading a table twice keeps its lines once."""
        file = ""
        if self._out is not None and self.folder is not None:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
            target = self.folder / f"{self._sha.hexdigest()[:32]}.jsonl"
            os.replace(self._out.name, target)
            self._out, file = None, str(target)
        return SetAside(self.count, tuple(self.told), file)


def aside_folder(home: Path | None) -> Path:
    """Where a home keeps the lines it set aside. Raises UsageError without a home: nothing is dropped in silence."""
    if home is None:
        raise UsageError('bad_lines = "set_aside" needs a home to keep the lines in: open the table within a project.')
    return Path(home) / "tables" / "set-aside"


def note(name: str, aside: SetAside) -> str:
    """What a training says of lines that were set aside; empty where there are none."""
    if not aside.lines:
        return ""
    first = "; ".join(f"line {bad.line}: {bad.why}" for bad in aside.told[:3])
    more = "" if aside.lines <= 3 else "; ..."
    lines = f"{aside.lines:,} line{'s' if aside.lines > 1 else ''}"
    return f"{name}: {lines} could not be read and were set aside in {aside.file} ({first}{more})"
