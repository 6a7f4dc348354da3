"""The data contract: what people expect of the rows, column by column, in a version; and what of it the door is told.

Written by hand in YAML, read by `ops/monitor/contracts`, published as `docs/reference/contract.schema.json`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Bound = float | None
Bounds = tuple[Bound, Bound]
"""Least and greatest, inclusive; null where there is no limit."""

ColumnKind = Literal["number", "integer", "boolean", "category", "text", "time"]
AtDoor = Literal["count", "refuse", "leave"]
"""What the server does with a row that breaks a rule: answer and count it, refuse it (422), or not look at it."""

MOST_COLUMNS = 2000
MOST_RELATIONS = 200
MOST_PATTERN = 500
LONGEST_MATCHED = 256
"""Characters of a text that a pattern is tried on; a longer one does not fit it."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Every part of a contract: frozen, unknown keys refused."""


class ColumnTerms(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is expected of one column.

    kind: what its cells are. required: whether a table must have it. missing: largest share of missing cells.
    range: least and greatest value, inclusive. categories: the values it may take; closed: whether others break the
    rule, or merely are not listed. unique: no value twice in what is looked at. pattern: a regular expression that the
    whole text fits. mean: bounds of the mean. quantiles: bounds of quantiles, by their level. tolerate: share of rows
    that may break range, categories, pattern or kind before that is a breach. at_door: see `AtDoor`; of range,
    categories, pattern, and of missing cells where `missing` is 0.
    """

    kind: ColumnKind | None = None
    required: bool = True
    missing: Share | None = None
    range: Bounds | None = None
    categories: Annotated[tuple[str | int | float | bool, ...], Meta(min_length=1, max_length=1000)] | None = None
    closed: bool = True
    unique: bool = False
    pattern: Annotated[str, Meta(max_length=MOST_PATTERN)] = ""
    mean: Bounds | None = None
    quantiles: dict[str, Bounds] = {}
    tolerate: Share = 0.0
    at_door: AtDoor = "count"


class VolumeTerms(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Rows an hour or a day: each whole hour or day has from `at_least` up to `at_most` of them."""

    per: Literal["hour", "day"]
    at_least: Annotated[int, Meta(ge=0)] = 0
    at_most: Annotated[int, Meta(ge=0)] | None = None


class RelationTerms(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """rule: two numeric columns and a sign between them: `casual <= cnt`. A row that lacks either fulfils it."""

    rule: str
    tolerate: Share = 0.0
    at_door: AtDoor = "count"


class DataContract(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """version: changes whenever the content does. other_columns: whether columns that are not listed break it.
    freshness: longest time between two rows, as 2h. about, owner: for people.
    """

    version: Annotated[str, Meta(min_length=1, max_length=60)]
    about: str = ""
    owner: str = ""
    columns: dict[str, ColumnTerms] = {}
    other_columns: Literal["allow", "break"] = "allow"
    freshness: str = ""
    volume: VolumeTerms | None = None
    relations: tuple[RelationTerms, ...] = ()


class DoorRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule that a row alone can break, as the data plane has it. name: in metrics, `column.check`.

    sign: range (low, high), one_of (values), fits (pattern), present, or compare (other, compared by `how`).
    said: the rule in words; names columns and limits, never a cell.
    """

    name: str
    column: str
    sign: Literal["range", "one_of", "fits", "present", "compare"]
    said: str
    refuse: bool = False
    low: float | None = None
    high: float | None = None
    values: tuple[str | float, ...] = ()
    pattern: str = ""
    other: str = ""
    how: Literal["<", "<=", ">", ">=", "==", "!="] = "<="


class Expected(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a contract the door looks at. version: the contract's."""

    version: str
    rules: tuple[DoorRule, ...] = ()
