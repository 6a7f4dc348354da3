"""The small language that sub-populations are named in: `Contract = 'Two year' and tenure < 12`.

    rule   := part {"or" part}
    part   := term {"and" term}
    term   := "not" term | "(" rule ")" | column compare
    compare:= ("=" | "!=" | "<" | "<=" | ">" | ">=") value | "in" "(" value {"," value} ")" | "is" ["not"] "missing"
    value  := number | 'text' | true | false

Columns of letters, digits and "_" stand as they are, others in backticks: `monthly charge`. A quote within text is
doubled. Nothing is executed; a rule is read into plain data and applied column by column.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.stats.measures import label_text

if TYPE_CHECKING:
    import pandas as pd

LONGEST, DEEPEST = 500, 20
Value = float | str | bool
Rows = npt.NDArray[np.bool_]
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<text>'(?:[^']|'')*')
    |(?P<quoted>`[^`]+`)|(?P<word>[^\W\d]\w*)|(?P<sign><=|>=|!=|==|=|<|>|\(|\)|,))""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "missing", "true", "false"})


@dataclass(frozen=True)
class Compare:
    """A column against values; `missing` has none."""

    column: str
    sign: Literal["=", "<", "<=", ">", ">=", "missing"]
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Joined:
    """Several rules of which all (`and`), one (`or`) or none (`not`) must hold."""

    how: Literal["and", "or", "not"]
    parts: tuple[Rule, ...]


Rule = Compare | Joined


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise self.wrong(f"longer than {LONGEST} characters", 0)
        self.tokens = list(self._scan())
        self.at = 0

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        place = 0
        while self.text[place:].strip():
            found = _TOKEN.match(self.text, place)
            if found is None:
                start = place + len(self.text[place:]) - len(self.text[place:].lstrip())
                raise self.wrong(f"unexpected {self.text[start : start + 10]!r}", start)
            kind = str(found.lastgroup)
            word, start = found.group(kind), found.start(kind)
            if kind == "word" and word.lower() in _KEYWORDS:
                kind, word = "keyword", word.lower()
            yield kind, word, start
            place = found.end()

    def wrong(self, what: str, place: int) -> ConfigInvalid:
        return ConfigInvalid(
            f"the slice {self.text[:LONGEST]!r} cannot be read at character {place + 1}: {what}.",
            file="fairlead.toml", key="evaluate.slices",
            cure="""Write it as "Contract = 'Two year' and tenure < 12"; columns with spaces stand in backticks.""",
        )  # fmt: skip

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "its end", len(self.text))

    def take(self, *words: str) -> bool:
        kind, word, _ = self.peek()
        if kind in {"sign", "keyword"} and word in words:
            self.at += 1
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            _, found, place = self.peek()
            raise self.wrong(f"{word!r} is expected, found {found!r}", place)

    def rule(self, depth: int = 0) -> Rule:
        parts = [self.all(depth)]
        while self.take("or"):
            parts.append(self.all(depth))
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def all(self, depth: int) -> Rule:
        parts = [self.term(depth)]
        while self.take("and"):
            parts.append(self.term(depth))
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def term(self, depth: int) -> Rule:
        if depth > DEEPEST:
            raise self.wrong(f"nested deeper than {DEEPEST}", self.peek()[2])
        if self.take("not"):
            return Joined("not", (self.term(depth + 1),))
        if self.take("("):
            inside = self.rule(depth + 1)
            self.need(")")
            return inside
        return self.compare(self.column())

    def column(self) -> str:
        kind, word, place = self.peek()
        if kind not in {"word", "quoted"}:
            raise self.wrong(f"a column is expected, found {word!r}", place)
        self.at += 1
        return word[1:-1] if kind == "quoted" else word

    def compare(self, column: str) -> Rule:
        if self.take("is"):
            other = self.take("not")
            self.need("missing")
            return _unless(other, Compare(column, "missing"))
        other = self.take("not")
        if self.take("in"):
            self.need("(")
            values = [self.value()]
            while self.take(","):
                values.append(self.value())
            self.need(")")
            return _unless(other, Compare(column, "=", tuple(values)))
        kind, sign, place = self.peek()
        if other or kind != "sign" or sign in {"(", ")", ","}:
            raise self.wrong(f"=, !=, <, <=, >, >=, in or is missing is expected, found {sign!r}", place)
        self.at += 1
        value = self.value()
        if sign in {"=", "==", "!="}:
            return _unless(sign == "!=", Compare(column, "=", (value,)))
        if not isinstance(value, float):
            raise self.wrong(f"{sign} compares with a number", place)
        return Compare(column, sign, (value,))  # type: ignore[arg-type]

    def value(self) -> Value:
        kind, word, place = self.peek()
        if kind not in {"number", "text"} and word not in {"true", "false"}:
            raise self.wrong(f"a number, 'text', true or false is expected, found {word!r}", place)
        self.at += 1
        if kind == "number":
            return float(word)
        return word[1:-1].replace("''", "'") if kind == "text" else word == "true"


def _unless(other: bool, rule: Rule) -> Rule:
    return Joined("not", (rule,)) if other else rule


def read_rule(text: str) -> Rule:
    """The rule that `text` states. Raises ConfigInvalid naming the character where it cannot be read."""
    reader = _Reader(text)
    rule = reader.rule()
    kind, word, place = reader.peek()
    if kind != "end":
        raise reader.wrong(f"'and' or 'or' is expected, found {word!r}", place)
    return rule


def columns_in(rule: Rule) -> tuple[str, ...]:
    """The columns that a rule names, once each."""
    if isinstance(rule, Compare):
        return (rule.column,)
    return tuple(dict.fromkeys(name for part in rule.parts for name in columns_in(part)))


def rows_of(text: str, frame: pd.DataFrame) -> Rows:
    """Which rows of `frame` the rule holds for, shape (n,). Missing cells fulfil no comparison, but `not` of one.

    Raises ConfigInvalid for a column that the rows do not have, or a number asked of a column of text.
    """
    return _rows(read_rule(text), frame, text)


def _rows(rule: Rule, frame: pd.DataFrame, text: str) -> Rows:
    if isinstance(rule, Joined):
        parts = [_rows(part, frame, text) for part in rule.parts]
        if rule.how == "not":
            return ~parts[0]
        joined: Rows = np.logical_and.reduce(parts) if rule.how == "and" else np.logical_or.reduce(parts)
        return joined
    if rule.column not in frame.columns:
        near = difflib.get_close_matches(rule.column, [str(c) for c in frame.columns], n=1)
        raise _refused(
            f"the slice {text!r} names the column {rule.column!r}, which the judged rows do not have.",
            f"Did you mean {near[0]!r}?" if near else "They have: " + ", ".join(str(c) for c in frame.columns[:20]),
        )
    cells = frame[rule.column]
    missing = cells.isna().to_numpy(dtype=bool)
    if rule.sign == "missing":
        return missing
    if rule.sign == "=":
        return ~missing & _equal(cells, rule.values, missing)
    return ~missing & _ordered(cells, rule, text)


def _equal(cells: Any, values: Iterable[Value], missing: Rows) -> Rows:
    wanted = {_plain(value) for value in values}
    numbers = {value for value in values if isinstance(value, float)}
    distinct = {cell: _plain(cell) in wanted or _is_one(cell, numbers) for cell in cells[~missing].unique().tolist()}
    found: Rows = np.fromiter((distinct.get(c, False) for c in cells.where(~missing, None)), bool, len(cells))
    return found


def _plain(value: object) -> str:
    """Cells and values meet as text: 1, 1.0 and '1' are the same, so are true and 'true'."""
    return label_text(value).lower() if isinstance(value, bool | np.bool_) else label_text(value)


def _is_one(cell: object, numbers: set[float]) -> bool:
    return isinstance(cell, int | float) and float(cell) in numbers


def _ordered(cells: Any, rule: Compare, text: str) -> Rows:
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(numbers).all() and not cells.isna().all():
        raise _refused(
            f"the slice {text!r} compares {rule.column!r} with a number, but it holds text.",
            f"Write {rule.column} = 'text' or {rule.column} in ('a', 'b').",
        )
    limit = float(rule.values[0])
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[rule.sign]
    with np.errstate(invalid="ignore"):
        found: Rows = compare(numbers, limit)
    return found


def _refused(what: str, cure: str) -> ConfigInvalid:
    return ConfigInvalid(what, file="fairlead.toml", key="evaluate.slices", cure=cure)


def written_column(name: str) -> str:
    """A column as a rule writes it."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in _KEYWORDS else f"`{name}`"


def written_text(value: str) -> str:
    """Text as a rule writes it."""
    return "'" + value.replace("'", "''") + "'"
