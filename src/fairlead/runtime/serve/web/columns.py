"""One column told three ways, always as `wire/checks` takes it: JSON Schema, words, and a value that is valid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor, log10
from typing import Any

import msgspec

from fairlead.contract.signature import Column
from fairlead.runtime.serve.deployed import Deployed
from fairlead.runtime.serve.web import tensor_columns

_LONG = 1 << 63
_EXACT = 1 << 53
_CODE = "^(0|-?[1-9][0-9]{0,18})$"
MOST_NAMED = 200
"""Categories that are listed; a document of a column with a million of them would be of no use to anybody."""


class Field(msgspec.Struct, frozen=True):
    """A column as a caller meets it. closed: only what training saw is answered. required: a missing cell is refused,
    be it that the signature says so or that the trained model raised on it."""

    column: Column
    closed: bool = False
    required: bool = False


def fields_of(deployed: Deployed) -> tuple[Field, ...]:
    """The columns of a route, as strict as the strictest of its variants that answer."""
    fronts = [front for live in deployed.answering if (front := getattr(live.model, "front", None)) is not None]
    signatures = [live.model.signature for live in deployed.answering]
    fields = []
    for column in deployed.signature.columns:
        closed = any(column.name in front.closed for front in fronts)
        required = not column.nullable or any(column.name in front.required for front in fronts)
        if closed:
            column = msgspec.structs.replace(column, categories=_common(column, signatures))
        fields.append(Field(column, closed, required))
    return tuple(fields)


def _common(column: Column, signatures: Sequence[Any]) -> tuple[str, ...]:
    """Categories that every variant knows."""
    known = [set(c.categories) for s in signatures for c in s.columns if c.name == column.name]
    return tuple(name for name in column.categories if all(name in names for names in known))


def schema_of(field: Field) -> dict[str, Any]:
    """JSON Schema (2020-12) of one cell."""
    if field.column.kind == "tensor":
        example = tensor_columns.example_of(field.column)
        told: dict[str, Any] = {} if example is None else {"examples": [example]}
        return {**tensor_columns.schema_of(field.column), "description": words_of(field), **told}
    schema = _cells(field)
    if not field.required:
        schema = _or_null(schema)
    return {**schema, "description": words_of(field), "examples": [example_of(field)]}


def _cells(field: Field) -> dict[str, Any]:
    column = field.column
    if column.kind in {"category", "text"}:
        return _codes(field)
    if column.kind == "boolean":
        return {"enum": [True, False, 0, 1]}
    limits: dict[str, Any] = {}
    if column.minimum is not None:
        limits["minimum"] = column.minimum
    if column.maximum is not None:
        limits["maximum"] = column.maximum
    if column.kind == "time":
        return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", **limits}]}
    return {"type": column.kind, **limits}


def _codes(field: Field) -> dict[str, Any]:
    """Categories and texts. One that training never saw is answered, too, unless the trained model refused it."""
    column = field.column
    listed = [outside(column, name) for name in column.categories[:MOST_NAMED]]
    if column.coded == "boolean":
        return {"enum": [True, False, 0, 1, "true", "false"]}
    if field.closed and len(listed) == len(column.categories) > 0:
        return {"enum": listed + ([str(value) for value in listed] if column.coded == "integer" else [])}
    if column.coded == "integer":
        whole = {"type": "integer", "minimum": 1 - _LONG, "maximum": _LONG - 1}
        return {"anyOf": [*([{"enum": listed}] if listed else []), whole, {"type": "string", "pattern": _CODE}]}
    return {"anyOf": [{"enum": listed}, {"type": "string"}]} if listed else {"type": "string"}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def outside(column: Column, category: str) -> Any:
    """A category as requests carry it."""
    if column.coded == "integer":
        return int(category) if category.removeprefix("-").isdecimal() else category
    return category == "true" if column.coded == "boolean" else category


def words_of(field: Field) -> str:
    """What a cell may be, in a sentence or two for people."""
    column = field.column
    said = [_kind_in_words(column) + _limits_in_words(column)]
    if column.low is not None and column.high is not None and column.kind != "boolean":
        said.append(f"Training saw {number_in_words(column, column.low)} to {number_in_words(column, column.high)}.")
    if field.closed:
        said.append("Only a value that training saw is answered.")
    elif column.categories and column.coded != "boolean":
        said.append("A value that training never saw is answered, too.")
    said.append("Must be given." if field.required else "null where it is not known.")
    return " ".join(said)


def _kind_in_words(column: Column) -> str:
    if column.kind == "tensor":
        said = f"{tensor_columns.kind_in_words(column)}: {column.dtype} {list(column.shape)} as nested lists, "
        return said + 'as one list row by row, or its bytes as {"b64": ...}'
    if column.kind in {"category", "text"}:
        kind = {"integer": "A code (whole number)", "boolean": "true or false"}.get(column.coded, "Text")
        return "One of the categories" if column.kind == "category" and column.coded == "text" else kind
    return {
        "number": "A number",
        "integer": "A whole number",
        "boolean": "true or false",
        "time": "A time: ISO 8601, or seconds since 1970",
    }.get(column.kind, column.kind)


def _limits_in_words(column: Column) -> str:
    low, high = column.minimum, column.maximum
    said = "" if low is None else f" from {number_in_words(column, low)}"
    return said + ("" if high is None else f" up to {number_in_words(column, high)}") + "."


def number_in_words(column: Column, value: float) -> str:
    """For people: whole numbers whole, times as times, the rest to six digits."""
    if column.kind == "time":
        return _time(value)
    return str(int(value)) if float(value).is_integer() and abs(value) < _EXACT else f"{value:.6g}"


def _time(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{moment:.6g}"


def example_of(field: Field) -> Any:
    """A made-up cell that the model answers: the middle of what training saw, the first category. None stands for a
    tensor that is too long for a document, and for no other cell."""
    column = field.column
    if column.kind == "tensor":
        return tensor_columns.example_of(column)
    if column.kind in {"category", "text"}:
        if column.categories:
            return outside(column, column.categories[0])
        return {"integer": 1, "boolean": True}.get(column.coded, "some text")
    if column.kind == "boolean":
        return True
    low = column.low if column.low is not None else column.minimum
    high = column.high if column.high is not None else column.maximum
    # The smallest value was seen for sure, the middle perhaps not.
    middle = low if field.closed and low is not None else _middle(low, high)
    if column.kind == "time":
        return _time(middle if low is not None or high is not None else 1_767_225_600.0)
    if field.closed:
        return _fit(column, middle)
    return _fit(column, _rounded(middle, (high or 0.0) - (low or 0.0)))


def _middle(low: float | None, high: float | None) -> float:
    if low is not None and high is not None:
        return low / 2 + high / 2
    return low if low is not None else high if high is not None else 1.0


def _rounded(value: float, span: float) -> float:
    """As few digits as tell it from its neighbours: steps of a hundredth of the span."""
    if not 0.0 < span < 1e300:
        return value
    return round(value, 2 - floor(log10(span)))


def _fit(column: Column, value: float) -> float | int:
    """Within the stated limits, and whole where it has to be."""
    if column.kind == "integer":
        value = float(floor(value))
    for limit, keep in ((column.minimum, max), (column.maximum, min)):
        value = value if limit is None else keep(value, limit)
    return int(value) if column.kind == "integer" and value.is_integer() else value
