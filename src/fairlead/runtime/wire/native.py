"""The native protocol: a JSON row, a list of rows, columns, or Arrow in; `{"predictions": [...]}` or Arrow out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid, CellInvalid
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.bundle.forecasts import FORECAST
from fairlead.runtime.wire.arrow_tables import HEAD as ARROW_HEAD
from fairlead.runtime.wire.arrow_tables import MEDIA, read_arrow, write_arrow
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import JSON_HEAD, Answer, Parsed
from fairlead.runtime.wire.reading import UNREADABLE, encode, media_type, must_be_plain, read_json
from fairlead.runtime.wire.scanning import scanned

_SHAPES = 'a row {"column": value, ...}, a list of rows, or {"columns": {"column": [values], ...}}'
_START, _END = b'{"predictions":[', b"]}"


def _template(signature: Signature) -> dict[str, bytes] | None:
    """Everything of an answer but its numbers, per label: rendering is then one formatting a row."""
    quoted = [encode(name).replace(b"%", b"%%") for name in signature.classes]
    inner = b",".join(name + b":%b" for name in quoted)
    return {
        name: b'{"label":' + text + b',"probabilities":{' + inner + b"}}"
        for name, text in zip(signature.classes, quoted, strict=True)
    }


def _no_template(signature: Signature) -> dict[str, bytes] | None:
    return None


def _of_clusters(signature: Signature) -> dict[str, bytes] | None:
    # `%.0s` takes a number and writes nothing of it.
    skipped = b"%.0s" * len(signature.classes)
    return {name: b'{"cluster":' + encode(name).replace(b"%", b"%%") + b"}" + skipped for name in signature.classes}


def _of_anomalies(signature: Signature) -> dict[str, bytes] | None:
    return {name: b'{"anomaly":' + name.encode() + b',"score":%b}' for name in signature.labels}


_SHAPED = {"classification": _template, "clustering": _of_clusters, "anomaly": _of_anomalies}


class Native:
    """`POST /predict` and `POST /predict/{model}`.

    One prediction: classification {"label": text, "probabilities": {class: number}}, regression a number,
    clustering {"cluster": text}, anomaly {"anomaly": true or false, "score": number}, forecasting
    {"forecast": [number, ...]}. A model that abstains adds "abstained": true or false.
    """

    name = "native"
    media = frozenset({MEDIA})

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._checks = model, checks
        row: Any = checks.json_row
        self._decode = msgspec.json.Decoder(row | list[row]).decode
        self._split, self._timed = checks.split, checks.timed
        self._signature = signature
        self._shape = _SHAPED.get(signature.task, _no_template)(signature)
        self._forecasts = signature.task == "forecasting"

    @cached_property
    def _scanned(self) -> Any:
        return scanned(self._checks, keys=())

    def paths(self) -> Sequence[str]:
        return (f"/predict/{self.model}",)

    def default_paths(self) -> Sequence[str]:
        return ("/predict",)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        one: Parsed | None = self._scanned(body)
        if one is not None:
            return one
        try:
            got = self._decode(body)
        except UNREADABLE:
            if media_type(headers) == MEDIA:
                return self._arrow(body, headers)
            parsed = self._careful(body)
        else:
            if type(got) is not list:
                cells, passed = self._split(got)
                if passed is None:
                    return Parsed([cells])
                parsed = Parsed([cells], [passed])
            else:
                parsed = self._many(got, body)
        if self._timed:
            self._checks.check_times(parsed.passes)
        return parsed

    def _arrow(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        must_be_plain(headers)
        parsed = read_arrow(body, self._checks)
        accept = (headers.get("accept") or MEDIA).lower()
        if "application/json" in accept and MEDIA not in accept:
            parsed.head = JSON_HEAD
        return parsed

    def _many(self, got: list[Any], body: bytes) -> Parsed:
        if not got:
            raise BodyInvalid("the list of rows is empty")
        try:
            with no_collection():
                pairs = [self._split(row) for row in got]
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
        shape, labels, scores = self._shape, answer.labels, answer.scores
        if asked.head is ARROW_HEAD:
            return write_arrow(self._signature, answer)
        if shape is None or labels is None:
            if self._forecasts:
                return b'{"predictions":' + encode([{FORECAST: row} for row in scores]) + b"}"
            return b'{"predictions":' + encode([row[0] for row in scores]) + b"}"
        if answer.abstained is not None:
            return self._marked(labels, scores, answer.abstained)
        if len(scores) == 1:
            return _START + shape[labels[0]] % tuple(map(encode, scores[0])) + _END
        said = [shape[label] % tuple(map(encode, row)) for label, row in zip(labels, scores, strict=True)]
        return _START + b",".join(said) + _END

    def _marked(self, labels: list[str], scores: list[list[float]], abstained: list[bool]) -> bytes:
        shape: Any = self._shape
        said = [
            (shape[label] % tuple(map(encode, row)))[:-1] + (b',"abstained":true}' if left else b',"abstained":false}')
            for label, row, left in zip(labels, scores, abstained, strict=True)
        ]
        return _START + b",".join(said) + _END

    def render_each(
        self, asked: Sequence[Parsed], labels: Sequence[str] | None, scores: Sequence[list[float]], version: str
    ) -> list[bytes]:
        """See Codec. The numbers of all are written at once."""
        numbers = encode(scores)[2:-2].split(b"],[")
        shape = self._shape
        if self._forecasts:
            bodies = [_START + b'{"forecast":[' + number + b"]}" + _END for number in numbers]
        elif shape is None or labels is None:
            bodies = [_START + number.partition(b",")[0] + _END for number in numbers]
        else:
            said = zip(labels, numbers, strict=True)
            bodies = [_START + shape[label] % tuple(number.split(b",")) + _END for label, number in said]
        for at, one in enumerate(asked):
            if one.head is ARROW_HEAD:
                bodies[at] = self.render(one, Answer(None if labels is None else [labels[at]], [scores[at]], version))
        return bodies

    def error(self, message: str, code: int) -> bytes:
        return encode({"error": message})
