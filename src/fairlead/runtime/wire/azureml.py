"""Azure ML: `input_data` as its endpoints for MLflow models take it, and MLflow's own keys; a bare list out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.labels import Labels
from fairlead.runtime.wire.leaving import by_header
from fairlead.runtime.wire.mlflow import from_keys
from fairlead.runtime.wire.reading import UNREADABLE, encode, read_json
from fairlead.runtime.wire.tensor_tables import tables_of

_KEYS = ("input_data", "data")


class AzureML:
    """`POST /score`: `{"input_data": {"columns", "index", "data"} or rows or columns}` -> `[prediction, ...]`.

    `data`, which scoring scripts use by custom, is taken as rows. A bare list has no place for what a model that
    abstains leaves to people: the header `fairlead-abstained` says it.
    """

    name = "azureml"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self._labels, self._tables = Labels(signature), tables_of(checks)
        rows: Any = list[self._tables.row] | UnsetType  # type: ignore[name-defined]
        asked = msgspec.defstruct("Asked", [(key, rows, UNSET) for key in _KEYS])
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(asked).decode

    def paths(self) -> Sequence[str]:
        return ()

    def default_paths(self) -> Sequence[str]:
        return ("/score",)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        try:
            asked = self._decode(body)
        except UNREADABLE:
            return self._careful(body)
        given = [rows for rows in (asked.input_data, asked.data) if rows is not UNSET]
        parsed = self._tables.typed(given[0]) if len(given) == 1 else None
        return self._careful(body) if parsed is None else parsed

    def _careful(self, body: bytes) -> Parsed:
        got = read_json(body)
        if not isinstance(got, dict):
            raise BodyInvalid('body must be {"input_data": {"columns": [names], "data": [[values], ...]}}')
        given = [key for key in _KEYS if key in got]
        if not given:
            return from_keys(got, self._tables)
        if len(given) > 1:
            raise BodyInvalid("body must have one of input_data and data")
        table = got[given[0]]
        if not isinstance(table, dict):
            return self._tables.rows(table, given[0])
        if isinstance(table.get("data"), list) and set(table) <= {"columns", "data", "index"}:
            return self._tables.frame(table, given[0])
        return self._tables.columns(table, given[0])

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        by_header(asked, answer)
        return self._labels.encoded(answer)

    def error(self, message: str, code: int) -> bytes:
        return encode({"error": message})
