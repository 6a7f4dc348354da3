"""The part each column could play: key, time, target and what becomes of it. Every choice has a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.contract.signature import Task
from fairlead.lab.stats.buffers import to_numpy
from fairlead.lab.tables.facts import Facts
from fairlead.lab.tables.kinds import Found, words_of
from fairlead.lab.tables.parsing import is_text, parse_numbers, plain
from fairlead.lab.tables.times import seconds_of

_KEY_NAME = re.compile(r"(^|[_\W])(id|ids|key|uuid|guid|index|instant|nr|no|number|code|unnamed_\d+)$", re.IGNORECASE)
_HOUR_NAME = re.compile(r"(^|[_\W])(h|hr|hrs|hour|hours|stunde|heure|hora|time|tod)$", re.IGNORECASE)
_NOT_EVENT = re.compile(r"(^|[_\W])(birth|birthday|birthdate|dob|born)", re.IGNORECASE)
_YES = ("churned", "churn", "yes", "true", "1", "positive", "fraud", "fraudulent", "default", "defaulted", "bad",
        "left", "lost", "cancelled", "canceled", "failed", "failure", "event", "spam", "y", "t")  # fmt: skip
MAX_CLASSES = 20


class Sample(msgspec.Struct, frozen=True):
    """The first rows of a table, on which roles are decided. rows: how many; whole: whether that is all of them."""

    table: pa.Table
    rows: int
    whole: bool

    def array(self, name: str) -> pa.Array:
        """One column."""
        return plain(self.table.column(name))

    def numbers(self, name: str) -> np.ndarray:
        """One column as float64, strays as NaN."""
        array = self.array(name)
        return parse_numbers(array)[0] if is_text(array.type) else to_numpy(array.cast(pa.float64(), safe=False))


def find_ids(facts: Mapping[str, Facts], kinds: Mapping[str, Found], sample: Sample) -> dict[str, str]:
    """Columns that name or number rows, the best key first, with the reason."""
    ranked: list[tuple[tuple[bool, bool], str, str]] = []
    where = "" if sample.whole else f" in the first {sample.rows:,} rows"
    for name, found in kinds.items():
        if (
            facts[name].missing
            or facts[name].source == "other"
            or found.kind not in {"integer", "category", "text"}
            or sample.rows < 2
        ):
            continue
        if pc.count_distinct(sample.array(name)).as_py() != sample.rows:
            continue
        named = bool(_KEY_NAME.search(words_of(name)))
        if found.kind == "integer":
            steps = np.diff(sample.numbers(name))
            if np.count_nonzero(steps == 1) >= 0.99 * len(steps) and sample.rows >= 10:
                ranked.append(((not named, True), name, "it numbers the rows" + where))
            elif named:
                ranked.append(((not named, True), name, "a different whole number in every row" + where))
        elif named or (not facts[name].spaced and facts[name].longest <= 64):
            ranked.append(((not named, False), name, "a different value in every row" + where))
    return {name: why for _, name, why in sorted(ranked, key=lambda r: r[0])}


def find_time(kinds: Mapping[str, Found], facts: Mapping[str, Facts], sample: Sample) -> tuple[tuple[str, ...], str]:
    """The column, or the date and the hour column, that say when a row happened; and why."""
    dates = [n for n, k in kinds.items() if k.kind == "time" and not facts[n].missing]
    dates = [n for n in dates if not _NOT_EVENT.search(words_of(n))]
    best: tuple[tuple[bool, int], tuple[str, ...], str] | None = None
    for place, name in enumerate(dates):
        seconds, _ = seconds_of(sample.array(name), "UTC")
        ordered = bool((np.diff(seconds) >= 0).all())
        columns: tuple[str, ...] = (name,)
        why = "rows are in its order" if ordered else "the first column of dates or times"
        hour = _hour_beside(seconds, kinds, sample)
        if hour:
            columns, why = (name, hour), f"{name} holds days only, and {hour} the hour of the day"
        rank = (not ordered, place)
        if best is None or rank < best[0]:
            best = (rank, columns, why)
    return (best[1], best[2]) if best else ((), "")


def _hour_beside(seconds: np.ndarray, kinds: Mapping[str, Found], sample: Sample) -> str:
    if np.any(seconds % 86_400) or np.unique(seconds).size == seconds.size:
        return ""
    for name, found in kinds.items():
        if found.kind != "integer" or not _HOUR_NAME.search(words_of(name)):
            continue
        hours = sample.numbers(name)
        if np.nanmin(hours) >= 0 and np.nanmax(hours) <= 24 and np.nanmax(hours) > 1:
            return name
    return ""


def find_task(facts: Facts, found: Found) -> tuple[Task, str]:
    """What predicting this column is, and why."""
    if found.kind in {"category", "text", "boolean"}:
        return "classification", "the target names classes"
    levels = len(facts.levels) if facts.levels is not None else None
    if found.kind == "integer" and levels is not None and levels <= (2 if facts.rows < 100 else 10):
        return "classification", f"the target has {levels} whole numbers as values"
    return "regression", "the target is a number"


def find_positive(counts: Mapping[str, int]) -> tuple[str | None, str]:
    """Of two classes, the one that counts as an event; and why. counts: rows of each class."""
    if len(counts) != 2:
        return None, ""
    for word in _YES:
        for label in counts:
            if label.strip().lower() == word:
                return label, "its name says that something happened"
    rarer = min(sorted(counts), key=lambda label: counts[label])
    return rarer, "the rarer of two classes"


def same_but_for_case(levels: Mapping[object, int]) -> list[tuple[str, ...]]:
    """Groups of categories that differ in case or in white space around them alone."""
    groups: dict[str, list[str]] = {}
    for value in levels:
        if isinstance(value, str):
            groups.setdefault(" ".join(value.split()).casefold(), []).append(value)
    return [tuple(sorted(g)) for g in groups.values() if len(g) > 1]
