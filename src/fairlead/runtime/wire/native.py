"""The native protocol: a JSON row, a list of rows, or columns in; `{"predictions": [...]}` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid, CellInvalid
from fairlead.contract.signature import Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode
_SHAPES = 'a row {"column": value, ...}, a list of rows, or {"columns": {"column": [values], ...}}'


def read_json(body: bytes) -> Any:
    """The JSON value of a body. Raises BodyInvalid; NaN and Infinity are not JSON."""
    try:
        return _any(body)
    except RecursionError:
        raise BodyInvalid("body is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as bad:
        raise BodyInvalid(f"body is not valid JSON: {bad}") from None


class Native:
    """`POST /predict` and `POST /predict/{model}`.

    One prediction: classification {"label": text, "probabilities": {class: number}}, regression a number.
    """

    name = "native"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._checks = model, checks
        row: Any = checks.row_type
        self._decode = msgspec.json.Decoder(row | list[row]).decode
        self._shape = self._template(signature) if signature.task == "classification" else None

    @staticmethod
    def _template(signature: Signature) -> dict[str, str]:
        """Everything of an answer but its numbers, per label: rendering is then one formatting a row."""
        quoted = [_encode(name).decode().replace("%", "%%") for name in signature.classes]
        inner = ",".join(f"{name}:%r" for name in quoted)
        return {
            name: f'{{"label":{text},"probabilities":{{{inner}}}}}'
            for name, text in zip(signature.classes, quoted, strict=True)
        }

    def paths(self) -> Sequence[str]:
        return (f"/predict/{self.model}",)

    def default_paths(self) -> Sequence[str]:
        return ("/predict",)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        parsed = self._parse(body)
        self._checks.check_times(parsed.passes)
        return parsed

    def _parse(self, body: bytes) -> Parsed:
        try:
            got = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._careful(body)
        split = self._checks.split
        if type(got) is not list:
            cells, passed = split(got)
            return Parsed([cells], None if passed is None else [passed])
        if not got:
            raise BodyInvalid("the list of rows is empty")
        if len(got) > 1:
            return self._many(got, body)
        cells, passed = split(got[0])
        return Parsed([cells], None if passed is None else [passed])

    def _many(self, got: list[Any], body: bytes) -> Parsed:
        try:
            pairs = [self._checks.split(row) for row in got]
        except CellInvalid:
            return self._careful(body)  # which knows the number of the row
        none = (None,) * len(self._checks.passthrough)
        passed = [none if one is None else one for _, one in pairs] if any(p is not None for _, p in pairs) else None
        return Parsed([cells for cells, _ in pairs], passed)

    def _careful(self, body: bytes) -> Parsed:
        got = read_json(body)
        if isinstance(got, dict):
            inner = got.get("columns")
            if isinstance(inner, dict) and len(got) == 1:
                return self._from_columns(inner)
            got = [got]
        if not isinstance(got, list) or not all(isinstance(row, dict) for row in got):
            raise BodyInvalid(f"body must be {_SHAPES}")
        if not got:
            raise BodyInvalid("the list of rows is empty")
        rows, passes = self._checks.rows(got)
        return Parsed(rows, passes)

    def _from_columns(self, columns: dict[str, Any]) -> Parsed:
        odd = [name[:80] for name, values in columns.items() if not isinstance(values, list)]
        if odd:
            raise BodyInvalid(f"column {odd[0]!r} must be a list of values")
        rows, passes = self._checks.columns(columns)
        if not rows:
            raise BodyInvalid("the columns are empty")
        return Parsed(rows, passes)

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        if self._shape is None or answer.labels is None:
            inner = ",".join([repr(row[0]) for row in answer.scores])
        else:
            shape = self._shape
            inner = ",".join(
                [shape[label] % tuple(row) for label, row in zip(answer.labels, answer.scores, strict=True)]
            )
        return ('{"predictions":[' + inner + "]}").encode()

    def error(self, message: str, code: int) -> bytes:
        return _encode({"error": message})
