"""What a table's columns are, each statement with its reason."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.signature import Kind, Task

Role = Literal["feature", "target", "key", "id", "time", "leak", "constant", "empty", "unusable"]


class ColumnFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column as it was found.

    why: the reason for kind and role. coded: how a category looks in the table.
    categories: distinct values, sorted, of categories and of targets that name classes.
    dtype, shape: of tensors, whose low and high are those of their elements.
    strays: cells that are not of the column's kind (at most one in a hundred); first_stray: row of the first, from 1.
    """

    name: str
    kind: Kind
    role: Role
    why: str
    rows: int
    missing: int = 0
    coded: Literal["text", "integer", "boolean"] = "text"
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    strays: int = 0
    first_stray: int = 0
    dtype: str = ""
    shape: tuple[int, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether cells were missing (or unreadable, which counts as missing)."""
        return self.missing + self.strays > 0


class Schema(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a table is: its columns, and the part each could play in a model of `target`.

    leaks: columns that give the target away. ids: further columns that number rows.
    coded: integer columns that inference takes for categories.
    positive: of a binary target, the class that counts as an event.
    why: the reasons for key, time, task and positive.
    """

    columns: tuple[ColumnFacts, ...]
    rows: int
    key: str | None = None
    time: tuple[str, ...] = ()
    target: str | None = None
    task: Task | None = None
    positive: str | None = None
    classes: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    why: dict[str, str] = {}

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that may be features, in order."""
        return tuple(c.name for c in self.columns if c.role == "feature")

    @property
    def coded(self) -> tuple[str, ...]:
        """Integer columns taken for categories."""
        return tuple(c.name for c in self.columns if c.kind == "category" and c.coded == "integer")

    def column(self, name: str) -> ColumnFacts:
        """The facts about one column. Raises KeyError."""
        return next(c for c in self.columns if c.name == name) if name in self.names else _no_such(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return tuple(c.name for c in self.columns)


def _no_such(name: str) -> ColumnFacts:
    raise KeyError(name)
