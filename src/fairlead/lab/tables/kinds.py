"""From facts about a column to its kind, by stated rules.

- Numbers: at least 99 in 100 cells that hold something are numbers; the rest are
  strays, taken as missing and reported. `integer` if all are written as whole
  numbers (of columns that arrive as floats: if all are whole and some are missing,
  which is how pandas keeps integers with gaps). Numbers written with leading zeros
  are codes, hence categories.
- **Integer-coded categories**: an integer column whose values are 3 to 8 consecutive
  codes that start at 0 or 1, each in at least 10 rows on average, and whose name
  does not say that it counts or measures something (num, count, age, years, size...).
  So seasons 1..4, weather 1..4 and weekdays 0..6 are categories; months 1..12 and
  hours 0..23 stay integers, whose order says more than their names; tenures and
  ages do, too. `[model] categories` overrules this rule either way.
- A 0/1 column stays an integer: as a flag any learner can use it as it is, and
  requests go on sending what the table holds.
- `boolean`: true/false, of any case. Yes/No columns are categories.
- `time`: at least 99 in 100 cells are dates or times.
- Other texts: `category` with at most 1,000 distinct values that come back (on
  average 10 rows each, or at most 20 values), else `text`.
"""

from __future__ import annotations

import re

import msgspec
import numpy as np

from fairlead.contract.signature import Kind
from fairlead.lab.tables.facts import Facts

MAX_CODES = 8
MAX_CATEGORIES = 1_000
_ALMOST_ALL = 0.99
_COUNTING = re.compile(
    r"(^|[_\W])(n|nr|num|number|count|cnt|qty|quantity|total|sum|amount|age|tenure|size|length|duration|"
    r"seconds|minutes|hours|days|weeks|months|years|children|kids|dependents|rooms|bedrooms|bathrooms|visits|"
    r"orders|items|times|stars|score|rating|points)($|[_\W])",
    re.IGNORECASE,
)


class Found(msgspec.Struct, frozen=True):
    """A kind, how a category is written, why, and how many cells do not fit."""

    kind: Kind
    coded: str
    why: str
    strays: int = 0
    first_stray: int = 0


def words_of(name: str) -> str:
    """A column's name with its words set apart: customerID -> customer_ID.

    >>> words_of("NumOfRooms")
    'Num_Of_Rooms'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)


def kind_of(facts: Facts) -> Found:
    """The kind of a column by the rules of this module."""
    if facts.present == 0:
        return Found("number", "text", "no cell holds anything")
    if facts.tensor is not None:
        return Found("tensor", "text", f"tensors of {facts.tensor.dtype}, shape {list(facts.tensor.shape)}")
    if facts.source == "other":
        return Found("text", "text", "cells of a kind that models cannot take")
    if facts.source == "boolean" or facts.flags == facts.present:
        return Found("boolean", "boolean", "true and false")
    if facts.source == "time":
        return Found("time", "text", "dates or times")
    # Words such as NA stand for nothing if the column turns out to hold numbers or times.
    telling = facts.present - facts.words
    numeric = facts.numbers >= _ALMOST_ALL * telling and facts.numbers > 0
    if numeric and not facts.padded:
        return _number(facts)
    if facts.times >= _ALMOST_ALL * telling and facts.times > 0:
        strays = telling - facts.times
        return Found("time", "text", "dates or times" + _but(strays), strays, facts.first_not_time if strays else 0)
    return _text(facts)


def _number(facts: Facts) -> Found:
    strays = facts.present - facts.words - facts.numbers
    first = facts.first_not_number if strays else 0
    whole = facts.whole == facts.numbers and (facts.source != "number" or facts.missing > 0)
    if not whole:
        return Found("number", "text", "numbers" + _but(strays), strays, first)
    codes = codes_of(facts)
    if codes:
        why = f"{len(codes)} consecutive codes, {codes[0]} to {codes[-1]}: names of things, not amounts"
        return Found("category", "integer", why + _but(strays), strays, first)
    return Found("integer", "text", "whole numbers" + _but(strays), strays, first)


def codes_of(facts: Facts) -> tuple[int, ...]:
    """The codes of an integer-coded category, or none by the rule of this module."""
    if facts.levels is None or _COUNTING.search(words_of(facts.name)):
        return ()
    try:
        codes = sorted({int(float(value)) for value in facts.levels if _is_number(value)})
    except (ValueError, OverflowError):
        return ()
    if not 3 <= len(codes) <= MAX_CODES or codes[0] not in (0, 1):
        return ()
    consecutive = codes[-1] - codes[0] == len(codes) - 1
    return tuple(codes) if consecutive and facts.numbers >= 10 * len(codes) else ()


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(str(value))))
    except ValueError:
        return False


def _text(facts: Facts) -> Found:
    levels = facts.levels
    if levels is None:
        return Found("text", "text", "text with more than 10,000 distinct values")
    why = "codes with leading zeros" if facts.padded else "text"
    if len(levels) <= 20 or (len(levels) <= MAX_CATEGORIES and len(levels) * 10 <= facts.present):
        return Found("category", "text", f"{why} with {len(levels)} distinct values")
    return Found("text", "text", f"{why} whose values seldom come back ({len(levels)} distinct)")


def _but(strays: int) -> str:
    return "" if not strays else f", but for {strays} cell{'' if strays == 1 else 's'}"
