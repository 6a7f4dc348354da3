"""What may start a retraining, as `[retrain] when` says it."""

from __future__ import annotations

import difflib
import re

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.project.calendar import Moment, parse_moment
from fairlead.ops.project.durations import parse_duration

TRIGGERS = ("performance", "concept", "estimated", "drift", "cost", "labels:5000", "max_age:90d", "every:30d",
            "at:Sun 03:00")  # fmt: skip
_WORDS = frozenset({"performance", "concept", "estimated", "drift", "cost"})
_ROWS = re.compile(r"^\s*([1-9][0-9_]*)\s*(rows)?\s*$")


class Trigger(msgspec.Struct, frozen=True):
    """seconds: of max_age and every, else 0. rows: of labels, else 0. moment: of at, else None."""

    name: str
    seconds: float = 0.0
    rows: int = 0
    moment: Moment | None = None


def parse_trigger(text: str) -> Trigger:
    """One entry of `[retrain] when`. Raises UsageError, with the nearest trigger.

    >>> parse_trigger("max_age:90d").seconds
    7776000.0
    """
    name, colon, value = text.partition(":")
    if name in _WORDS and not colon:
        return Trigger(name)
    if name in {"max_age", "every"} and colon:
        seconds = parse_duration(value)
        if seconds <= 0:
            raise UsageError(f"{text!r}: the time must be above zero.")
        return Trigger(name, seconds)
    if name == "labels" and colon:
        found = _ROWS.match(value)
        if found is None:
            raise UsageError(f"{text!r}: how many new labels? Write it as labels:5000.")
        return Trigger(name, rows=int(found[1].replace("_", "")))
    if name == "at" and colon:
        return Trigger(name, moment=parse_moment(value))
    near = difflib.get_close_matches(text, TRIGGERS, n=1, cutoff=0.6)
    cure = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(TRIGGERS)}."
    raise UsageError(f"unknown trigger {text!r}. {cure}")
