"""Rows from the shapes that scoring protocols have in common: objects, lists in column order, frames, columns.

Each protocol says which of them it takes under which key; what they mean is the same and stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.errors import BodyInvalid, CellInvalid, ShapeMismatch
from fairlead.runtime.bundle.coded import Coded
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed


def first_twice(names: Sequence[str]) -> str:
    """The first name that is given again; names has one."""
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


class Tables:
    """Reads rows for one signature. Every method raises InputInvalid and below.

    row: what a typed decoder takes for one row, an object or a list in the order of the signature.
    """

    def __init__(self, checks: Checks) -> None:
        self._checks, self._split, self._fix = checks, checks.split, checks.fix
        self.row: Any = checks.json_row | tuple[checks.json_types]  # type: ignore[name-defined]

    def typed(self, rows: Sequence[Any]) -> Parsed | None:
        """Rows that a typed decoder of `row` took; None where the careful way must say which of them is wrong."""
        if len(rows) == 1:
            cells, passed = self._one(rows[0])
            parsed = Parsed([cells], None if passed is None else [passed])
        elif not rows:
            raise BodyInvalid("the list of rows is empty")
        else:
            try:
                pairs = [self._one(row) for row in rows]
            except CellInvalid:
                return None
            none = (None,) * len(self._checks.passthrough)
            any_passed = any(passed is not None for _, passed in pairs)
            passes = [none if passed is None else passed for _, passed in pairs] if any_passed else None
            parsed = Parsed([cells for cells, _ in pairs], passes)
        if self._checks.timed:
            self._checks.check_times(parsed.passes)
        return parsed

    def _one(self, row: Any) -> tuple[Any, Any]:
        if type(row) is not tuple:
            return self._split(row)
        return (row if self._fix is None else self._fix(list(row))), None

    def rows(self, rows: object, said: str) -> Parsed:
        """A list of objects or of lists. said: how an error names it."""
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise BodyInvalid(f"{said} must be a list of rows, each an object or a list of values")
        if not rows:
            raise BodyInvalid("the list of rows is empty")
        if all(isinstance(row, Mapping) for row in rows):
            found, passes = self._checks.rows(rows)
            self._checks.check_times(passes)
            return Parsed(found, passes)
        if len(self._checks.names) == 1 and not any(isinstance(row, (Mapping, list)) for row in rows):
            return self.columns({self._checks.names[0]: rows}, said)
        return self.lists(rows, self._checks.names, said)

    def lists(self, rows: Sequence[Any], names: Sequence[str], said: str) -> Parsed:
        """Lists of values, one value for each of `names`."""
        if not rows:
            raise BodyInvalid("the list of rows is empty")
        for number, row in enumerate(rows):
            if not isinstance(row, (list, tuple)):
                raise BodyInvalid(f"row {number}: {said} must be all objects or all lists")
            if len(row) != len(names):
                wanted = ", ".join(name[:80] for name in names[:40])
                raise ShapeMismatch(f"row {number}: {len(row)} values for {len(names)} columns. In order: {wanted}.")
        if len(set(names)) != len(names):
            raise BodyInvalid(f"column {first_twice(names)[:80]!r} is given twice")
        return self.columns(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)), said)

    def columns(self, columns: object, said: str) -> Parsed:
        """An object of one list a column, or of one value a column, which is one row."""
        if not isinstance(columns, Mapping) or not columns:
            raise BodyInvalid(f"{said} must be an object of columns, each a list of values")
        lists = [isinstance(values, (Sequence, Coded)) and not isinstance(values, str) for values in columns.values()]
        if not any(lists):
            columns = {name: [value] for name, value in columns.items()}
        elif not all(lists):
            odd = next(name for name, is_list in zip(columns, lists, strict=True) if not is_list)
            raise BodyInvalid(f"column {odd[:80]!r} must be a list of values")
        rows, passes = self._checks.columns(columns)
        if not rows:
            raise BodyInvalid("the columns are empty")
        self._checks.check_times(passes)
        return Parsed(rows, passes)

    def frame(self, frame: object, said: str) -> Parsed:
        """`{"columns": [names], "data": [[values], ...]}` with an index or without, as pandas splits a table."""
        if not isinstance(frame, Mapping) or not isinstance(frame.get("data"), list):
            raise BodyInvalid(f'{said} must be {{"columns": [names], "data": [[values], ...]}}')
        names = frame.get("columns")
        if names is None:
            names = self._checks.names
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise BodyInvalid(f"{said}: columns must be a list of names")
        unknown = [key[:80] for key in frame if key not in {"columns", "data", "index"}]
        if unknown:
            raise BodyInvalid(f"{said} takes columns, data and index, not {unknown[0]!r}")
        return self.lists(frame["data"], names, said)
