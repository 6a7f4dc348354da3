"""Reading the tables of a project: by its settings, from its folder, and each one remembered with its hash."""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.contract.evidence import TableRead
from fairlead.contract.settings import DataSettings
from fairlead.lab.tables.addresses import short_name, shown_of
from fairlead.lab.tables.bad_lines import note
from fairlead.lab.tables.sources import SqlTable, Table, open_table

if TYPE_CHECKING:
    import pandas as pd

MOST_TABLES = 1_000
_CURRENT: ContextVar[Reading | None] = ContextVar("fairlead_reading", default=None)


class Reading:
    """Opens tables by `[data]` and remembers what it read. As a context it is what `read_table` reads by.

    root: the project's folder, from which relative paths are taken; None: the current one. home: for fetched tables
    and lines set aside.
    """

    def __init__(self, data: DataSettings, root: Path | None = None, home: Path | None = None) -> None:
        self.data, self.root, self.home = data, root, home
        self.tables: dict[str, TableRead] = {}
        self.notes: list[str] = []
        self._tokens: list[Token[Reading | None]] = []

    def __enter__(self) -> Reading:
        self._tokens.append(_CURRENT.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._tokens.pop())

    def open(self, source: Any, *, query: str = "", from_root: bool = True, **how: Any) -> Table:
        """The table, not yet remembered. from_root: relative paths start at the project's folder.

        how: separator, encoding, decimal or bad_lines, where they differ from the project's.
        """
        if isinstance(source, str | os.PathLike) and from_root:
            source = self._from_root(str(os.fspath(source)))
        known = {name: getattr(self.data, name) for name in ("separator", "encoding", "decimal", "bad_lines")}
        return open_table(source, query=query, home=self.home, **{**known, **how})

    def frame(
        self, source: Any, *, name: str = "", query: str = "", from_root: bool = True, **how: Any
    ) -> pd.DataFrame:
        """All rows of a table, remembered under `name` (else under where it came from)."""
        table = self.open(source, query=query, from_root=from_root, **how)
        found = table.frame()
        self.remember(table, name, self.shown(source, from_root), len(found), query)
        return found

    def remember(self, table: Table, name: str, shown: str, rows: int, query: str = "") -> None:
        """Write down a table that was read. shown: where it came from, without secrets."""
        if len(self.tables) >= MOST_TABLES:
            raise UsageError(f"more than {MOST_TABLES:,} tables were read for one training.")
        aside = table.set_aside
        kept = query if isinstance(table, SqlTable) else ""
        read = TableRead(shown, table.hash, rows, kept, aside.lines)
        key, number = name or shown or "rows", 2
        while key in self.tables and self.tables[key] != read:
            key, number = f"{name or shown or 'rows'} ({number})", number + 1
        self.tables[key] = read
        self.notes.extend(said for said in notes_of(table, shown) if said not in self.notes)

    def _from_root(self, text: str) -> str:
        if self.root is None:
            return text
        if text.startswith("sqlite") and ":///" in text:
            scheme, _, path = text.partition(":///")
            return text if path.startswith(("/", "${")) or not path else f"{scheme}:///{self.root.absolute() / path}"
        return text if "://" in text or text.startswith("${") else str(self.root / text)

    def shown(self, source: Any, from_root: bool = True) -> str:
        """Where a table lies, without secrets and without the folders of this machine."""
        if not isinstance(source, str | os.PathLike):
            return ""
        text = str(os.fspath(source))
        if "://" in text or text.startswith("${"):
            shown = shown_of(text)
            scheme, _, path = shown.partition(":///")
            local = scheme.startswith(("sqlite", "file")) and path
            return f"{scheme}:///{self._within(path)}" if local else shown
        return self._within(text if from_root else str(Path(text).absolute()))

    def _within(self, path: str) -> str:
        place = Path(path)
        if not place.is_absolute():
            return place.as_posix() if ".." not in place.parts else place.name
        try:
            return place.resolve().relative_to((self.root or Path()).resolve()).as_posix()
        except ValueError:
            return place.name


def notes_of(table: Table, source: Any) -> tuple[str, ...]:
    """What a reader of a table should know, in words: lines that were set aside, keys that are not in every record."""
    title = short_name(str(source)) if isinstance(source, str | os.PathLike) and str(source) else "the table"
    return tuple(said for said in (note(title, table.set_aside), *table.notes) if said)


def read_table(
    source: Any,
    *,
    query: str = "",
    separator: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
) -> pd.DataFrame:
    """Rows of any table that Fairlead can open, for `[data] prepare` and for notebooks.

    source: a path, an address (s3://...), a database's URL with `query`. Within `prepare`, relative paths start at the
    project's folder, and the table's hash is written into the lineage of what is trained, so that `fairlead
    reproduce` can tell that it changed; a table read by other means is not known to it.
    Raises SourceUnreadable, UsageError, MissingExtra.

    >>> read_table("tariffs.csv")                                       # doctest: +SKIP
    """
    reading = _CURRENT.get() or Reading(DataSettings())
    return reading.frame(source, query=query, separator=separator, encoding=encoding, decimal=decimal)


def require_rows(frame: pd.DataFrame, name: str) -> None:
    """Raises SourceUnreadable for a table without rows."""
    if frame.empty:
        raise SourceUnreadable(f"{name}: the table has no rows" if name else "the table has no rows")
