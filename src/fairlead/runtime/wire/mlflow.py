"""MLflow's scoring protocol: four forms of JSON, CSV and JSON lines in; labels or numbers out.

Where MLflow is wrong this is right: a fault of the model is 500, and no trace or value appears in an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from fairlead.contract.errors import BodyInvalid, MediaUnsupported
from fairlead.contract.signature import Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import JSON_HEAD, Answer, Header, Parsed
from fairlead.runtime.wire.labels import Labels
from fairlead.runtime.wire.leaving import beside, by_header
from fairlead.runtime.wire.reading import UNREADABLE, encode, media_type, must_be_plain, read_json
from fairlead.runtime.wire.scanning import scanned
from fairlead.runtime.wire.tables import Tables
from fairlead.runtime.wire.tensor_csv import csv_of
from fairlead.runtime.wire.tensor_tables import tables_of

KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST", 422: "BAD_REQUEST", 429: "REQUEST_LIMIT_EXCEEDED", 501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_LINES = frozenset({"application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson"})
_CSV_HEAD: tuple[Header, ...] = (("content-type", "text/csv; charset=utf-8"),)
_LINES_HEAD: tuple[Header, ...] = (("content-type", "application/jsonlines"),)


def from_keys(got: Mapping[str, Any], tables: Tables) -> Parsed:
    """Rows of a body with exactly one of the four keys. Raises InputInvalid and below."""
    given = [key for key in KEYS if key in got]
    if len(given) != 1:
        raise BodyInvalid(f"body must have exactly one of {', '.join(KEYS)}, it has {', '.join(given) or 'none'}")
    (key,) = given
    table = got[key]
    if key == "dataframe_split":
        return tables.frame(table, key)
    if key == "inputs" and isinstance(table, Mapping):
        return tables.columns(table, key)
    if key == "instances" and isinstance(table, Mapping):
        return tables.columns(table, key)
    return tables.rows(table, key)


def error_body(message: str, code: int) -> bytes:
    """An error as MLflow words it; bare text where the media type is not taken."""
    if code == 415:
        return message.encode()
    return encode(
        {"error_code": CODES.get(code, "INTERNAL_ERROR" if code >= 500 else "BAD_REQUEST"), "message": message}
    )


class MLflow:
    """`POST /invocations`, `/invocations/{model}` and `/endpoints/{model}/invocations`.

    `params` are taken and change nothing. An `Accept` of text/csv or application/jsonlines is followed, as
    SageMaker's batch transform asks for it.
    """

    name = "mlflow"
    media = frozenset({"text/csv", *_LINES})
    parameters = frozenset({"charset"})
    """Parameters of a content type that mean nothing else than what is done anyway."""

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._signature, self._checks = model, signature, checks
        self._labels, self._tables = Labels(signature), tables_of(checks)
        self._csv = csv_of(checks, self._tables)
        rows: Any = list[self._tables.row] | UnsetType  # type: ignore[name-defined]
        fields: list[Any] = [(key, rows, UNSET) for key in KEYS[1:]]
        fields.append(("dataframe_split", msgspec.Raw | UnsetType, UNSET))
        self._decode_lines = msgspec.json.Decoder(self._tables.row).decode_lines
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(msgspec.defstruct("Invocation", fields)).decode

    @cached_property
    def _json(self) -> Any:
        return scanned(self._checks, KEYS[1:], self._by_types)

    def paths(self) -> Sequence[str]:
        # The last one is where MLflow's deployment client asks.
        return (f"/invocations/{self.model}", f"/endpoints/{self.model}/invocations")

    def default_paths(self) -> Sequence[str]:
        return ("/invocations",)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below; MediaUnsupported for what is neither JSON, JSON lines nor CSV."""
        parsed: Parsed
        said = headers.get("content-type") or ""
        if said in ("", "application/json"):
            parsed = self._json(body)
        else:
            self._parameters_fit(said)
            kind = media_type(headers)
            if kind == "text/csv":
                must_be_plain(headers)
                parsed = self._csv.rows(body)
            elif kind in _LINES:
                must_be_plain(headers)
                parsed = self._lines(body)
            elif kind in ("application/json", ""):
                parsed = self._json(body)
            else:
                raise MediaUnsupported("content type must be application/json, text/csv or application/jsonlines")
        accept = headers.get("accept")
        if accept and accept not in ("*/*", "application/json"):
            parsed.head = _answered_as(accept)
        return parsed

    def _parameters_fit(self, said: str) -> None:
        for pair in said.split(";")[1:]:
            name, _, value = pair.strip().partition("=")
            if name.lower() == "charset" and value.strip('"').lower() not in {"utf-8", "utf8"}:
                raise MediaUnsupported("the charset must be utf-8")
            if name and name.lower() not in self.parameters:
                raise MediaUnsupported(f"content type parameter {name[:40]!r} is not taken")

    def _by_types(self, body: bytes) -> Parsed:
        try:
            got = self._decode(body)
        except UNREADABLE:
            return self._careful(body)
        given = [rows for rows in (got.dataframe_records, got.instances, got.inputs) if rows is not UNSET]
        if len(given) != 1 or got.dataframe_split is not UNSET:
            return self._careful(body)
        parsed = self._tables.typed(given[0])
        return self._careful(body) if parsed is None else parsed

    def _careful(self, body: bytes) -> Parsed:
        got = read_json(body)
        if not isinstance(got, dict):
            raise BodyInvalid(f"body must be an object with exactly one of {', '.join(KEYS)}")
        return from_keys(got, self._tables)

    def _lines(self, body: bytes) -> Parsed:
        """One row a line: an object, a list, or SageMaker's {"features": [...]}."""
        try:
            parsed = self._tables.typed(self._decode_lines(body))
        except UNREADABLE:
            parsed = None
        if parsed is not None:
            return parsed
        rows: list[Any] = []
        for number, line in enumerate(body.splitlines()):
            if not line.strip():
                continue
            try:
                row = read_json(line)
            except BodyInvalid as bad:
                raise BodyInvalid(f"line {number + 1}: {bad}") from None
            if isinstance(row, dict) and len(row) == 1 and isinstance(row.get("features"), list):
                row = row["features"]
            rows.append(row)
        return self._tables.rows(rows, "JSON lines")

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        if asked.head is JSON_HEAD:
            return b'{"predictions":' + self._labels.encoded(answer) + beside(answer) + b"}"
        values = self._labels.values(answer)
        if asked.head is _CSV_HEAD:
            by_header(asked, answer)
            return b"".join([_csv_cell(value) + b"\n" for value in values])
        if answer.labels is None:
            return b"".join([encode({"score": value}) + b"\n" for value in values])
        said = [{"predicted_label": label, "scores": row} for label, row in zip(values, answer.scores, strict=True)]
        if answer.abstained is not None:
            said = [{**line, "abstained": mark} for line, mark in zip(said, answer.abstained, strict=True)]
        return b"".join([encode(line) + b"\n" for line in said])

    def error(self, message: str, code: int) -> bytes:
        return error_body(message, code)


def _answered_as(accept: str) -> tuple[Header, ...]:
    """The first form of `Accept` that is offered, JSON where none is."""
    for one in accept.split(","):
        kind = one.split(";", 1)[0].strip().lower()
        if kind == "text/csv":
            return _CSV_HEAD
        if kind in _LINES:
            return _LINES_HEAD
        if kind in ("application/json", "*/*"):
            break
    return JSON_HEAD


def _csv_cell(value: Any) -> bytes:
    """A label, a number, or the numbers of a forecast as one line of CSV."""
    if isinstance(value, list):
        return encode(value)[1:-1]
    if not isinstance(value, str):
        return encode(value)
    quoted = any(sign in value for sign in ',"\r\n')
    return ('"' + value.replace('"', '""') + '"' if quoted else value).encode()
