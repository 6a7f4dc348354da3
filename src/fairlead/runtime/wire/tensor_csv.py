"""Rows with tensors as CSV: a cell is a JSON list or base64 text; of a model whose only column is a tensor, a line may
be its elements, one a cell, as SageMaker's clients send images.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.bundle.tensor_cells import size
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.csv_text import CsvText, lines_of, numbers_of
from fairlead.runtime.wire.reading import UNREADABLE
from fairlead.runtime.wire.tables import Tables

_DIGITS = 32
"""Characters that a number of a list takes at most, with what is around it."""

_decode = msgspec.json.Decoder().decode


def csv_of(checks: Checks, tables: Tables) -> CsvText:
    """What reads CSV of a signature."""
    return TensorCsv(checks, tables) if checks.tensors else CsvText(checks, tables)


class TensorCsv(CsvText):
    """Reads CSV for a signature with tensors."""

    def __init__(self, checks: Checks, tables: Tables) -> None:
        super().__init__(checks, tables)
        columns = checks.tensors.values()
        self._read |= dict.fromkeys(checks.tensors, _values)
        self._sole: Column | None = next(iter(columns)) if checks.width == 1 else None
        # The limit is of the whole process and guards a reader of files; a body is in memory already.
        csv.field_size_limit(max(csv.field_size_limit(), _DIGITS * max(map(size, columns))))

    def rows(self, body: bytes) -> Parsed:
        """See CsvText."""
        sole = self._sole
        tensors = None if sole is None or size(sole) == 1 else self._lines(body, size(sole))
        return super().rows(body) if tensors is None else self._tables.columns({self._names[0]: tensors}, "CSV")

    def _lines(self, body: bytes, elements: int) -> list[list[Any]] | None:
        """One list of numbers a line; None where lines are not such."""
        try:
            with no_collection():
                lines = list(lines_of(body.decode("utf-8-sig")))
                if not lines or any(len(line) != elements for line in lines):
                    return None
                return [numbers_of(line) for line in lines]
        except csv.Error as bad:
            raise BodyInvalid(f"body is not valid CSV: {bad}") from None
        except UnicodeDecodeError:
            return None


def _values(cells: Sequence[str]) -> list[Any]:
    return [_value(cell.strip()) for cell in cells]


def _value(cell: str) -> Any:
    """Lists of a cell in JSON, or what base64 is in JSON; other text as it is, for the checks to refuse."""
    if not cell.startswith("["):
        return {"b64": cell} if cell else None
    try:
        return _decode(cell)
    except UNREADABLE:
        return cell
