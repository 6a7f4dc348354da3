"""How far back a retraining looks, as `retrain.window` has it."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.project.durations import parse_windows


class Way(msgspec.Struct, frozen=True):
    """One choice of rows to learn from.

    kind: all rows; the last `windows`; all rows, the weight of a row halved every `windows` or every `seconds` of its
    age; the rows since the newest known change. windows, seconds: what the kind needs, else 0.
    """

    kind: Literal["all", "last", "weighted", "since_change"]
    windows: float = 0.0
    seconds: float = 0.0


ALL = Way("all")

AUTO: tuple[Way, ...] = (ALL, Way("last", 16), Way("last", 4), Way("since_change"), Way("weighted", 8))
"""What is tried where the choice is left to evidence, the simplest first. Sources of the spans: measured on the bike
table and on abrupt changes of Agrawal's generator (decision 9)."""

_LAST = re.compile(r"^\s*last\s*:\s*([0-9]+)\s*$")


def parse_ways(text: str) -> tuple[Way, ...]:
    """The ways that `auto`, `all`, `last:4`, `weighted:30d`, `weighted:8windows` or `since_change` ask to be tried.

    Raises UsageError.

    >>> parse_ways("last:4")
    (Way(kind='last', windows=4.0, seconds=0.0),)
    """
    known: dict[str, tuple[Way, ...]] = {"auto": AUTO, "all": (ALL,), "since_change": (Way("since_change"),)}
    word = text.strip()
    if word in known:
        return known[word]
    last = _LAST.match(text)
    if last and int(last[1]) >= 1:
        return (Way("last", float(last[1])),)
    if word.startswith("weighted:"):
        windows, seconds = parse_windows(word.removeprefix("weighted:"))
        if windows > 0 or seconds > 0:
            return (Way("weighted", float(windows), seconds),)
    raise UsageError(
        f"{text!r} is no choice of rows to learn from; write auto, all, last:4, weighted:30d or since_change."
    )
