"""A folder of files as one table: files of one kind, one after the other in the order of their names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.bad_lines import SetAside
from fairlead.lab.tables.sources import Table

MOST_FILES = 100_000


def files_of(folder: Path) -> list[Path]:
    """The files of a table, by their names. Those that begin with a dot or an underscore are notes of who wrote it.

    Raises SourceUnreadable for a folder without files, with too many of them, or with files of several kinds.
    """
    found = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "_"))]
    if not found:
        raise SourceUnreadable(f"{folder.name}: a folder without files")
    if len(found) > MOST_FILES:
        raise SourceUnreadable(f"{folder.name}: {len(found):,} files; a table has {MOST_FILES:,} at most")
    kinds = sorted({"".join(p.suffixes[-2:] if p.suffix == ".gz" else p.suffixes[-1:]).lower() for p in found})
    if len(kinds) > 1:
        raise SourceUnreadable(f"{folder.name}: files of several kinds ({', '.join(kinds)}); a table has one")
    return sorted(found, key=lambda p: p.name)


class FolderTable(Table):
    """Files whose columns have the same names. open_file: one of them as a table."""

    def __init__(self, folder: Path, open_file: Callable[[Path], Table]) -> None:
        self.source = folder
        self.files = files_of(folder)
        self._open = open_file
        self.columns = open_file(self.files[0]).columns

    @cached_property
    def rows(self) -> int:
        return sum(self._opened(path).rows for path in self.files)

    @cached_property
    def set_aside(self) -> SetAside:  # type: ignore[override]
        """Lines of all files together, told and kept of the first file that has some."""
        every = [self._opened(path).set_aside for path in self.files]
        some = next((found for found in every if found.lines), SetAside())
        return SetAside(sum(found.lines for found in every), some.told, some.file)

    def _opened(self, path: Path) -> Table:
        table = self._open(path)
        if set(table.columns) != set(self.columns):
            apart = sorted(set(table.columns) ^ set(self.columns))
            raise SourceUnreadable(
                f"{self.source.name}: {path.name} has other columns than {self.files[0].name}: {', '.join(apart[:10])}"
            )
        return table

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        kinds: dict[str, pa.DataType] = {}
        for path in self.files:
            for batch in self._opened(path).batches(rows):
                found = batch.select(list(self.columns))
                if not kinds:
                    kinds = {f.name: f.type for f in found.schema}
                yield self._alike(found, kinds, path)

    def _alike(self, batch: pa.RecordBatch, kinds: dict[str, pa.DataType], path: Path) -> pa.RecordBatch:
        if all(f.type == kinds[f.name] for f in batch.schema):
            return batch
        arrays = []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            try:
                arrays.append(array if field.type == kinds[field.name] else array.cast(kinds[field.name]))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise SourceUnreadable(
                    f"{self.source.name}: column {field.name} of {path.name} is {field.type}, of "
                    f"{self.files[0].name} {kinds[field.name]}"
                ) from error
        return pa.RecordBatch.from_arrays(arrays, names=list(self.columns))

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(f"{path.name}\0{self._open(path).hash}\n".encode())
        return digest.hexdigest()
