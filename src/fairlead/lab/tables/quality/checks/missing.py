"""Cells that are missing, openly or in disguise: "?", "N/A", -999, 9999-12-31."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from fairlead.lab.tables.parsing import plain
from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Severity, Suggestion
from fairlead.lab.tables.quality.suggesting import exclude, prepare
from fairlead.lab.tables.quality.watching import DATE_STAND_INS, STAND_INS, Watch
from fairlead.lab.tables.schema import ColumnFacts

WORDS = frozenset({
    "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing", "(missing)", "unknown",
    "not available", "not applicable", "undefined", "tbd", "xxx", "keine angabe", "k.a.", "s/o",
})  # fmt: skip
MANY, MOST = 0.05, 0.5
_FEWEST, _SHARE = 3, 0.001
_AWAY = 3.0  # robust deviations between a stand-in and the nearest other value
_DAYS = {seconds: day for day, seconds in DATE_STAND_INS.items()}


class Missing:
    """Missing cells and stand-ins for them."""

    name = "missing"

    def check(self, look: Look) -> Iterator[Issue]:
        """One issue a column for open gaps, one for each stand-in."""
        for column in look.schema.columns:
            if column.name == look.target:
                continue
            yield from self._open(look, column)
            yield from self._words(look, column)
            if column.name in look.watches:
                yield from self._stand_ins(look, column.name, look.watches[column.name])

    def _open(self, look: Look, column: ColumnFacts) -> Iterator[Issue]:
        # Cells with "NA" in a column of numbers are told by `_words`.
        count = look.facts[column.name].missing
        if not count:
            return
        share = count / column.rows
        if column.role == "empty":
            why = "it holds nothing"
            yield Issue(self.name, "warning", "no cell holds anything", column.name, count=count, of=column.rows,
                        suggestions=(exclude(column.name, why),))  # fmt: skip
            return
        severity: Severity = "warning" if share > MANY else "note"
        says = f"{share:.1%} of its cells are missing" if share >= 0.001 else f"{count:,} of its cells are missing"
        yield Issue(
            self.name, severity, says, column.name, count=count, of=column.rows, rows=_gaps(look, column.name),
            suggestions=_for_gaps(look, column, share),
        )  # fmt: skip

    def _words(self, look: Look, column: ColumnFacts) -> Iterator[Issue]:
        levels = look.facts[column.name].levels
        if levels is None:
            return
        found = {w: n for w, n in levels.items() if isinstance(w, str) and w.strip().casefold() in WORDS}
        if not found or len(found) == len(levels):
            return
        count = sum(found.values())
        words = ", ".join(repr(w) for w in sorted(found)[:4])
        numeric = column.kind in {"number", "integer", "time"}
        says = f"{words} stand{'s' if len(found) == 1 else ''} for missing in {count:,} cells"
        if not numeric:
            says = (
                f"{words} in {count:,} cells may mean that nothing is known, and count{'s' if len(found) == 1 else ''}"
            )
            says += " as a category" if column.kind == "category" else " as a text"
        yield Issue(
            "disguised_missing", "note", says, column.name, count=count, of=column.rows,
            evidence={"words": dict(sorted(found.items())[:10])},
            suggestions=_for_gaps(look, column, count / column.rows) if numeric else (),
        )  # fmt: skip

    def _stand_ins(self, look: Look, name: str, watch: Watch) -> Iterator[Issue]:
        values = look.floats(name)
        present = values[~np.isnan(values)]
        if present.size < 20:
            return
        for mark, count, first in zip(watch.marks, watch.marked, watch.first_marked, strict=True):
            if count < max(_FEWEST, _SHARE * look.rows):
                continue
            gap = _gap(present, float(mark), watch.time)
            # Zero is an amount like others until it stands far from all of them.
            if gap < (_AWAY if mark else 2 * _AWAY):
                continue
            shown = _DAYS[float(mark)] if watch.time else f"{mark:g}"
            yield Issue(
                "disguised_missing", "warning" if mark else "note",
                f"{shown} in {count:,} cells lies far from all other values and may stand for missing",
                name, count=int(count), of=look.rows, rows=(int(first),),
                evidence={"value": shown, "distance": round(gap, 2), "in": "robust standard deviations"},
                suggestions=_for_stand_in(look, name, watch, float(mark)),
            )  # fmt: skip


def _gap(present: np.ndarray, mark: float, time: bool) -> float:
    """How far `mark` lies beyond all other values, in robust deviations of these; 0 inside their range."""
    marks = np.array(list(DATE_STAND_INS.values()) if time else [m for m in STAND_INS if abs(m) >= 9])
    others = present[(present != mark) & ~(np.isin(present, marks) & (np.abs(present) > abs(mark)))]
    if others.size < 20 or np.unique(others[:5000]).size < 5:
        return 0.0
    low, high = float(others.min()), float(others.max())
    gap = low - mark if mark < low else mark - high if mark > high else 0.0
    quarter, median, three = np.quantile(others, [0.25, 0.5, 0.75])
    spread = float(three - quarter) / 1.349 or float(np.abs(others - median).mean()) or 1.0
    if mark == -1.0 and low >= 0 and float(np.min(others)) >= 0 and bool((others == np.floor(others)).all()):
        # Among counts that are never negative, -1 needs no distance.
        return 2 * _AWAY
    return gap / spread


def _gaps(look: Look, name: str) -> tuple[int, ...]:
    array = look.sample.column(name)
    if look.facts[name].source == "text":
        absent = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(plain(array))), 0).fill_null(True)
        return look.examples(absent.to_numpy(zero_copy_only=False))
    return look.examples(array.is_null().to_numpy())


def _for_gaps(look: Look, column: ColumnFacts, share: float) -> tuple[Suggestion, ...]:
    if column.name not in look.features:
        return ()
    if share > MOST:
        return (exclude(column.name, "more than half of it is missing"),)
    if column.kind in {"number", "integer", "time"}:
        why = "a gap may tell something, which an indicator keeps"
        return (prepare(column.name, "missing", "median", why), prepare(column.name, "indicator", True, why))
    if column.kind == "boolean":
        return (prepare(column.name, "missing", "mode", "flags with gaps"),)
    return ()


def _for_stand_in(look: Look, name: str, watch: Watch, mark: float) -> tuple[Suggestion, ...]:
    if name not in look.features or watch.time:
        return ()
    why = "taken for missing in training and in every answer"
    number = int(mark) if mark.is_integer() else mark
    return (Suggestion(("preparation", "columns", name), "missing_values", number, why, add=True),)
