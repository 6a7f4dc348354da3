"""Encoders of categories, read off by asking them: each known value, one never seen, and none.

An encoder's answer for a column depends on that column alone, so its answers to every
known value are the encoder. Asking instead of re-deriving keeps grouped rare categories,
`drop`, `handle_unknown` and encoded missing values exact in every scikit-learn version.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.lanes import (
    AnyLane,
    ElementLane,
    Key,
    Lookup,
    NumberLane,
    ProductLane,
    TableLane,
    TensorLane,
    TermLane,
    TextLane,
    next_identity,
)

NEVER = "\x00 never seen"
_AT_ONCE = 512


def one_hot_widths(encoder: Any) -> list[int]:
    """Outputs per input column of a fitted OneHotEncoder."""
    widths = [len(categories) for categories in encoder.categories_]
    for at, infrequent in enumerate(getattr(encoder, "infrequent_categories_", ()) or ()):
        if infrequent is not None and len(infrequent):
            widths[at] -= len(infrequent) - 1
    if encoder.drop_idx_ is not None:
        widths = [w - (d is not None) for w, d in zip(widths, encoder.drop_idx_, strict=True)]
    return widths


def encode(encoder: Any, widths: Sequence[int], lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The lanes that a fitted encoder makes of these lanes; `widths`: its outputs per input lane."""
    columns = [_askable(categories) for categories in encoder.categories_]
    if len(columns) != len(lanes):
        raise NotCompilable(f"{where}: it was fitted on {len(columns)} columns and gets {len(lanes)}.")
    known = _ask_all(encoder, columns, where)
    if known.shape[1] != sum(widths):
        raise NotCompilable(f"{where}: it gives {known.shape[1]} outputs where {sum(widths)} were expected.")
    found: list[AnyLane] = []
    start = 0
    for at, (lane, values, width) in enumerate(zip(lanes, columns, widths, strict=True)):
        part = slice(start, start + width)
        never = _ask_one(encoder, columns, at, _never(values), part)
        nothing = _ask_one(encoder, columns, at, np.nan, part)
        found += _lanes(lane, values, known[: len(values), part], never, nothing, where)
        start += width
    return found


def _lanes(
    lane: AnyLane,
    values: list[Any],
    known: np.ndarray,
    never: np.ndarray | None,
    nothing: np.ndarray | None,
    where: str,
) -> list[AnyLane]:
    if isinstance(lane, TableLane):
        return _composed(lane, dict(zip(map(float, values), known, strict=True)), never, nothing, where)
    if isinstance(lane, ElementLane | TensorLane):
        raise NotCompilable(f"{where}: column {lane.column.name!r} holds tensors, whose elements are no categories.")
    if isinstance(lane, TermLane | ProductLane):
        raise NotCompilable(f"{where}: terms and products of {lane.column.name!r} are no categories.")
    source = lane
    keys = [_key(value, lane, where) for value in values]
    answers = dict(zip(keys, known, strict=True))
    if isinstance(lane, TextLane):
        if lane.fill is not None:
            # A filled column has no missing cells: they are looked up as what fills them.
            nothing = answers.get(lane.meets(lane.fill), never)
        if lane.other is not None:
            # Whatever is not kept meets the encoder as the group of the others.
            never = answers.get(lane.other, never)
            keys = [key for key in keys if key in lane.kept]
            answers = {key: answers[key] for key in keys}
    unseen = never if never is not None else np.zeros(known.shape[1])
    lookup = Lookup(source, tuple(keys), closed=never is None, required=nothing is None)
    absent = nothing if nothing is not None else unseen
    return [
        TableLane(lookup, {key: float(row[o]) for key, row in answers.items()}, float(unseen[o]), float(absent[o]))
        for o in range(known.shape[1])
    ]


def _composed(
    lane: TableLane,
    answers: dict[float, np.ndarray],
    never: np.ndarray | None,
    nothing: np.ndarray | None,
    where: str,
) -> list[AnyLane]:
    """An encoder on the output of another: a table of a table is a table."""

    def through(number: float) -> np.ndarray:
        found = nothing if number != number else answers.get(number, never)
        if found is None:
            raise NotCompilable(f"{where}: it refuses a value that the step before gives {lane.column.name!r}.")
        return found

    values = {key: through(number) for key, number in lane.values.items()}
    unseen, missing = through(lane.unseen), through(lane.missing)
    # Look-ups are told apart by identity: this one has outputs of its own.
    lookup = replace(lane.lookup, identity=next_identity())
    return [
        TableLane(lookup, {key: float(row[o]) for key, row in values.items()}, float(unseen[o]), float(missing[o]))
        for o in range(len(unseen))
    ]


def _askable(categories: np.ndarray) -> list[Any]:
    """The categories without the entries that stand for a missing value."""
    return [value for value in categories.tolist() if value is not None and value == value]


def _never(values: list[Any]) -> Any:
    if values and all(isinstance(v, int | float) for v in values):
        return float(max(abs(v) for v in values) + 1)
    return NEVER


def _key(value: Any, lane: NumberLane | TextLane, where: str) -> Key:
    """A category as the look-up will meet it."""
    if isinstance(lane, NumberLane):
        if isinstance(value, int | float):
            return float(value)
        raise NotCompilable(f"{where}: column {lane.column.name!r} holds numbers, its encoder was fitted on text.")
    return text_of(value)


def text_of(value: Any) -> str:
    """A category or class as text: "1" for 1 and 1.0, "true" for True."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _ask_all(encoder: Any, columns: list[list[Any]], where: str) -> np.ndarray:
    """Answers to rows in which each column runs through its values, the shorter ones over and over."""
    if any(not values for values in columns):
        raise NotCompilable(f"{where}: a column had no values at all in training.")
    longest = max(len(values) for values in columns)
    parts = []
    for start in range(0, longest, _AT_ONCE):
        rows = [[values[i % len(values)] for values in columns] for i in range(start, min(start + _AT_ONCE, longest))]
        parts.append(_transform(encoder, rows, columns))
    return np.concatenate(parts)


def _ask_one(encoder: Any, columns: list[list[Any]], at: int, value: Any, part: slice) -> np.ndarray | None:
    """The answer to one value in column `at`, None if the encoder refuses it."""
    row = [values[0] for values in columns]
    row[at] = value
    try:
        return _transform(encoder, [row], columns)[0, part]
    except ValueError:
        return None


def _transform(encoder: Any, rows: list[list[Any]], columns: list[list[Any]]) -> np.ndarray:
    import pandas as pd

    numeric = [all(isinstance(v, int | float) for v in values) for values in columns]
    cells = np.empty((len(rows), len(columns)), dtype=object)
    cells[:] = rows
    asked: Any = cells.astype(np.float64) if all(numeric) else cells
    if hasattr(encoder, "feature_names_in_"):
        series = {
            name: pd.Series(cells[:, at].astype(np.float64) if numeric[at] else cells[:, at])
            for at, name in enumerate(encoder.feature_names_in_)
        }
        asked = pd.DataFrame(series)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = encoder.transform(asked)
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    return np.asarray(answer, dtype=np.float64)
