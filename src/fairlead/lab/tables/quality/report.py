"""What a look at a table found: issues, each with its size, its evidence and what fairlead.toml can do about it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Severity = Literal["problem", "warning", "note"]
ORDER: dict[str, int] = {"problem": 0, "warning": 1, "note": 2}
EXAMPLES = 5


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key of fairlead.toml. add: `value` joins the list that is there; else it takes its place.

    table: as in the file, with the column of `preparation.columns` as its last part.
    """

    table: tuple[str, ...]
    key: str
    value: Any
    why: str
    add: bool = False


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing about a table that a person should know.

    problem: a model made of this will be wrong; warning: it may be; note: worth knowing. column: "" for the table.
    columns: the others it is about. count of `of` (cells, rows, pairs): how many show it. rows: numbers of the first
    that do, from 1. exact: False where `count` is projected from a sample. evidence: figures by name, never a cell
    of a column of texts.
    """

    check: str
    severity: Severity
    says: str
    column: str = ""
    columns: tuple[str, ...] = ()
    count: int = 0
    of: int = 0
    rows: tuple[int, ...] = ()
    exact: bool = True
    evidence: dict[str, Any] = {}
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def share(self) -> float:
        """`count` as a share of `of`."""
        return self.count / self.of if self.of else 0.0


class QualityReport(msgspec.Struct, frozen=True):
    """Everything found in one table, worst first.

    sampled: rows that checks between rows and columns were made on; `rows` where that is all of them.
    checks: those that ran. unchecked: those that did not, with the reason. toml: all suggestions as one text.
    more: issues left out beyond the bound, by check.
    """

    source: str
    rows: int
    columns: int
    sampled: int
    target: str
    task: str
    issues: tuple[Issue, ...]
    checks: tuple[str, ...]
    unchecked: dict[str, str]
    more: dict[str, int]
    toml: str
    seconds: float

    def found(self, check: str, column: str | None = None) -> tuple[Issue, ...]:
        """The issues of one check, of one column if it is named."""
        return tuple(i for i in self.issues if i.check == check and column in {None, i.column})

    @property
    def worst(self) -> str:
        """The worst severity found, "" for none."""
        return min((i.severity for i in self.issues), key=ORDER.__getitem__, default="")
