"""`tests/behaviour.toml` as structs: what is expected, read and checked before any row is answered."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Column, Signature

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Rows = Annotated[int, Meta(ge=1, le=100_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
MOST = 500
"""Expectations of one kind in a file."""


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind has. name: how results call it. of: the class whose probability counts; the positive one, or
    the only number, where it is not given. allowed: share of rows that may break it.
    """

    name: Name
    of: str | None = None
    allowed: Share = 0.0


class Minimum(Expectation, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rows whose answer everyone agrees on.

    rows: cells by column, over those of `[base]`; what neither states is missing.
    label: what must be decided. above, below: what the score must be beyond.
    """

    rows: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=10_000)]
    label: str | None = None
    above: float | None = None
    below: float | None = None


class Moved(Expectation, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Expectations about rows that are changed. inputs: rows the model is judged on, or drawn from its profile column
    by column. rows: how many. where: only rows with these cells.
    """

    rows: Rows = 300
    inputs: Literal["judged", "simulated"] = "judged"
    where: dict[str, Any] = {}


class Invariance(Moved, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change that must not matter.

    columns: each set to every other value that training saw; or changes: cells set together. tolerance: by how much the
    score may move (0.01; in regressions a hundredth of the error that counts as wholly wrong). decision: what is
    decided must stay, too.
    """

    columns: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    tolerance: Annotated[float, Meta(ge=0.0)] | None = None
    decision: bool = False


class Direction(Moved, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change that must move the score one way, or leave it. by: added to the number in `column`; or
    before, after: the cells compared. tolerance: how far the score may go the wrong way.
    """

    column: str
    goes: Literal["up", "down"]
    by: float | None = None
    before: Any = None
    after: Any = None
    tolerance: Annotated[float, Meta(ge=0.0)] = 1e-9


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    base: dict[str, Any] = {}
    minimum: tuple[Minimum, ...] = ()
    invariance: tuple[Invariance, ...] = ()
    direction: tuple[Direction, ...] = ()

    @property
    def count(self) -> int:
        """How many expectations there are."""
        return len(self.minimum) + len(self.invariance) + len(self.direction)


def read_behaviour(path: Path, signature: Signature) -> Behaviour:
    """The expectations in a file, checked against what the model takes. Raises ConfigInvalid naming file and place."""
    file = f"{path.parent.name}/{path.name}"
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Behaviour)
    except msgspec.ValidationError as wrong:
        raise ConfigInvalid(str(wrong), file=file, cure=_nearest(str(wrong))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as wrong:
        raise ConfigInvalid(f"no TOML: {wrong}", file=file) from None
    _check(found, signature, file)
    return found


def _nearest(said: str) -> str:
    """The known field nearest to an unknown one that an error names."""
    unknown = said.split("unknown field `", 1)
    if len(unknown) < 2:
        return ""
    known = {name for kind in (Behaviour, Minimum, Invariance, Direction) for name in kind.__struct_fields__}
    near = difflib.get_close_matches(unknown[1].split("`", 1)[0], sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."


def _check(found: Behaviour, signature: Signature, file: str) -> None:
    seen: set[str] = set()
    for kind in ("minimum", "invariance", "direction"):
        expectations = getattr(found, kind)
        if len(expectations) > MOST:
            raise ConfigInvalid(f"more than {MOST} expectations.", file=file, key=kind)
        for number, one in enumerate(expectations, start=1):
            place = f"{kind} {number} ({one.name!r})"
            if one.name in seen:
                raise ConfigInvalid("its name is taken by another.", file=file, key=place)
            seen.add(one.name)
            for name in _columns_in(one):
                column_named(name, signature, file, place)
            _check_scored(one, signature, file, place)
            _check_kind(one, signature, file, place)
    for name in found.base:
        column_named(name, signature, file, "base")


def _columns_in(one: Any) -> set[str]:
    if isinstance(one, Minimum):
        return {name for row in one.rows for name in row}
    named = set(one.where)
    if isinstance(one, Direction):
        return named | {one.column}
    return named.union(one.columns, *one.changes)


def column_named(name: str, signature: Signature, file: str, place: str) -> Column:
    """A feature by its name. Raises ConfigInvalid with the nearest."""
    for column in signature.columns:
        if column.name == name:
            return column
    near = difflib.get_close_matches(name, signature.names, n=1)
    cure = f"Did you mean {near[0]!r}?" if near else f"It takes: {', '.join(signature.names[:20])}."
    raise ConfigInvalid(f"the model takes no column {name!r}.", file=file, key=place, cure=cure)


def _check_scored(one: Expectation, signature: Signature, file: str, place: str) -> None:
    if one.of is not None and one.of not in signature.outputs:
        raise ConfigInvalid(
            f"of = {one.of!r} is none of the model's outputs.", file=file, key=place,
            cure=f"Outputs: {', '.join(signature.outputs[:20])}.",
        )  # fmt: skip
    scored = not isinstance(one, Minimum) or one.above is not None or one.below is not None
    if scored and one.of is None and signature.horizon > 1:
        raise ConfigInvalid('say which step of a forecast counts: of = "t+1".', file=file, key=place)
    if scored and one.of is None and len(signature.classes) > 2:
        raise ConfigInvalid('say whose probability counts: of = "...".', file=file, key=place)


def _check_kind(one: Any, signature: Signature, file: str, place: str) -> None:
    def wrong(what: str) -> ConfigInvalid:
        return ConfigInvalid(what, file=file, key=place)

    if isinstance(one, Minimum):
        if one.label is None and one.above is None and one.below is None:
            raise wrong("nothing is expected: give label, above or below.")
        if one.label is not None and one.label not in signature.classes:
            raise wrong(f"label {one.label!r} is none of the classes: {', '.join(signature.classes[:20])}.")
    elif isinstance(one, Invariance):
        if bool(one.columns) == bool(one.changes):
            raise wrong("give columns, or changes, and not both.")
        for name in one.columns:
            column = column_named(name, signature, file, place)
            if column.kind not in ("category", "boolean") or len(column.categories) == 1:
                raise wrong(f"{name!r} has no list of values: write changes = [{{{name} = ...}}, ...].")
    elif isinstance(one, Direction):
        column = column_named(one.column, signature, file, place)
        if (one.by is None) == (one.before is None and one.after is None):
            raise wrong("give by, or before and after, and not both.")
        if one.by is not None and column.kind not in ("number", "integer", "time"):
            raise wrong(f"{one.column!r} is no number to add to: give before and after.")
