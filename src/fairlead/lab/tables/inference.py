"""A schema by one pass over a table: kinds from all rows, roles from the first ones.

Rules for kinds: `lab.tables.kinds`. Keys, times and leaks are decided on the
first `sample_rows` rows, which is what bounds the memory of a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import ColumnMissing, SourceUnreadable
from fairlead.contract.signature import Column, Task
from fairlead.lab.stats.buffers import of_words
from fairlead.lab.tables.cells import _objects, _texts
from fairlead.lab.tables.facts import Facts
from fairlead.lab.tables.kinds import Found, kind_of
from fairlead.lab.tables.leaks import class_leaks, numeric_leaks
from fairlead.lab.tables.roles import (
    MAX_CLASSES,
    Sample,
    find_ids,
    find_positive,
    find_task,
    find_time,
    same_but_for_case,
)
from fairlead.lab.tables.schema import ColumnFacts, Role, Schema
from fairlead.lab.tables.sources import Table, open_table

SAMPLE_ROWS = 200_000


def infer(
    table: Table | Any,
    target: str | None = None,
    id: str | None = None,
    time: str | Sequence[str] | None = None,
    *,
    sample_rows: int = SAMPLE_ROWS,
    roles: bool = True,
) -> Schema:
    """What the columns of a table are, and their part in predicting `target`, each with its reason.

    id, time: given instead of found. sample_rows: rows on which keys, times and leaks are decided.
    roles: False looks for no key, time or leak, where kinds are all that is wanted and time is short.
    Raises ColumnMissing for a target, id or time the table lacks, and SourceUnreadable for a table without rows.
    """
    table = open_table(table)
    times = () if time is None else (time,) if isinstance(time, str) else tuple(time)
    wanted = [n for n in (target, id, *times) if n is not None]
    absent = [n for n in wanted if n not in table.columns]
    if absent:
        raise ColumnMissing(absent, table.columns)
    facts, sample = _read(table, sample_rows)
    return _Inference(facts, sample, target, id, times, roles).schema()


def schema_from(
    facts: dict[str, Facts], sample: Sample, target: str | None, id: str | None, time: tuple[str, ...]
) -> Schema:
    """As `infer`, of facts that a pass over the rows has gathered already. sample: its first rows."""
    return _Inference(facts, sample, target, id, time, True).schema()


def _read(table: Table, sample_rows: int) -> tuple[dict[str, Facts], Sample]:
    facts = {name: Facts(name) for name in table.columns}
    head: list[pa.RecordBatch] = []
    held = rows = 0
    for batch in table.batches():
        for name in table.columns:
            facts[name].add(batch.column(name), batch.schema.field(name))
        if held < sample_rows:
            head.append(batch.slice(0, sample_rows - held))
            held += head[-1].num_rows
        rows += batch.num_rows
    if not rows:
        place = f"{table.source.name}: " if isinstance(table.source, Path) else ""
        raise SourceUnreadable(f"{place}the table has no rows")
    return facts, Sample(pa.Table.from_batches(head), held, held == rows)


class _Inference:
    """The steps from facts to a schema, in the order in which one needs the other."""

    def __init__(
        self,
        facts: dict[str, Facts],
        sample: Sample,
        target: str | None,
        key: str | None,
        time: tuple[str, ...],
        look: bool,
    ) -> None:
        self.facts, self.sample, self.target = facts, sample, target
        self.kinds: dict[str, Found] = {name: kind_of(f) for name, f in facts.items()}
        self.why: dict[str, str] = {}
        self.roles: dict[str, tuple[Role, str]] = {}
        self._find_target()
        free = {n: k for n, k in self.kinds.items() if n != target}
        self.time, self.why["time"] = (time, "as given") if time else ((), "")
        if look and not time:
            self.time, self.why["time"] = find_time(free, facts, sample)
        ids = find_ids(facts, free, sample) if look else {}
        ids = {n: w for n, w in ids.items() if n not in self.time}
        self.key = key if key else next(iter(ids), None)
        self.why["key"] = "as given" if key else ids.get(self.key or "", "")
        self.ids = tuple(n for n in ids if n != self.key)
        self._give_roles(ids)
        self.leaks = self._find_leaks() if look else {}
        for name, why in self.leaks.items():
            self.roles[name] = ("leak", why)

    def _find_target(self) -> None:
        self.task: Task | None = None
        self.positive: str | None = None
        self.classes: tuple[str, ...] = ()
        if self.target is None:
            return
        facts, found = self.facts[self.target], self.kinds[self.target]
        self.task, self.why["task"] = find_task(facts, found)
        if self.task == "classification" and facts.levels is not None:
            counts = self._labels(facts, found)
            self.classes = tuple(sorted(counts))
            self.positive, self.why["positive"] = find_positive(counts)

    def _labels(self, facts: Facts, found: Found) -> dict[str, int]:
        assert facts.levels is not None
        column = Column(facts.name, "category", coded=_coding(found))
        values = list(facts.levels)
        words = of_words(values) if all(isinstance(value, str) for value in values) else pa.array(values)
        labels = _objects(_texts(words, column)[0])
        counts: dict[str, int] = {}
        for label, value in zip(labels, values, strict=True):
            if label is not None:
                counts[label] = counts.get(label, 0) + facts.levels[value]
        return counts

    def _give_roles(self, ids: Mapping[str, str]) -> None:
        for name, found in self.kinds.items():
            facts = self.facts[name]
            role: Role = "feature"
            why = found.why
            if name == self.target:
                role, why = "target", f"as given; {self.why.get('task', '')}"
            elif name == self.key:
                role, why = "key", self.why["key"]
            elif name in self.time:
                # A date only ever grows: as a feature it would leave what training saw on the first day in use.
                role = "time" if name == self.time[0] else "feature"
                why = self.why["time"] if role == "time" else f"{found.why}; part of the time and a feature"
            elif name in ids:
                role, why = "id", ids[name]
            elif facts.source == "other" and found.kind != "tensor":
                role = "unusable"
            elif facts.present == 0:
                role = "empty"
            elif facts.levels is not None and len(facts.levels) == 1 and not facts.missing:
                role, why = "constant", "the same value in every row"
            self.roles[name] = (role, why)

    def _find_leaks(self) -> dict[str, str]:
        if self.target is None:
            return {}
        names = [n for n, (role, _) in self.roles.items() if role == "feature" and n not in self.time]
        numeric = {n: self.sample.numbers(n) for n in names if self._is_numeric(n)}
        if self.task == "regression":
            return numeric_leaks(self.sample.numbers(self.target), numeric)
        cells = {n: self._text(n) for n in names if n not in numeric and self.kinds[n].kind in {"category", "text"}}
        numeric = {n: v for n, v in numeric.items() if self.kinds[n].coded != "integer"}
        cells |= {n: self._text(n) for n in names if self.kinds[n].coded in {"integer", "boolean"}}
        return class_leaks(self._text(self.target), numeric, cells)

    def _is_numeric(self, name: str) -> bool:
        found = self.kinds[name]
        return found.kind in {"number", "integer"} or found.coded == "integer"

    def _text(self, name: str) -> pa.Array:
        encoded = _texts(self.sample.array(name), Column(name, "category", coded=_coding(self.kinds[name])))[0]
        return encoded.dictionary_decode()

    def schema(self) -> Schema:
        """All of it, as told to people and to `signature_of`."""
        return Schema(
            columns=tuple(self._column(name) for name in self.facts),
            rows=next(iter(self.facts.values())).rows,
            key=self.key,
            time=self.time,
            target=self.target,
            task=self.task,
            positive=self.positive,
            classes=self.classes,
            leaks=tuple(self.leaks),
            ids=self.ids,
            warnings=tuple(self._warnings()),
            why={k: v for k, v in self.why.items() if v},
        )

    def _column(self, name: str) -> ColumnFacts:
        facts, found = self.facts[name], self.kinds[name]
        role, why = self.roles[name]
        categories: tuple[str, ...] = ()
        if found.kind == "category" or role == "target":
            categories = tuple(sorted(self._labels(facts, found))) if facts.levels is not None else ()
            categories = categories if found.kind == "category" or self.task == "classification" else ()
        numeric = found.kind in {"number", "integer"} or found.coded == "integer"
        # Of text columns some words mean "missing" once the column is known to hold numbers.
        missing = facts.missing + (facts.words if numeric or found.kind == "time" else 0)
        return ColumnFacts(
            name=name,
            kind=found.kind,
            role=role,
            why=why,
            rows=facts.rows,
            missing=missing,
            coded=_coding(found) if found.kind == "category" else "text",
            categories=categories,
            low=None if np.isnan(facts.low) or not (numeric or facts.tensor) else facts.low,
            high=None if np.isnan(facts.high) or not (numeric or facts.tensor) else facts.high,
            strays=found.strays,
            first_stray=found.first_stray,
            dtype="" if facts.tensor is None else facts.tensor.dtype,
            shape=() if facts.tensor is None else facts.tensor.shape,
        )

    def _warnings(self) -> list[str]:
        told = []
        if self.target is not None:
            told += self._target_warnings(self.facts[self.target])
        for name, why in self.leaks.items():
            told.append(f"{name} leaks {self.target}: {why}. It should not be a feature.")
        for name, facts in self.facts.items():
            found = self.kinds[name]
            if facts.controls:
                told.append(
                    f"{name}: {_cells(facts.controls)} with control characters, first in row {facts.first_control}."
                )
            if found.strays:
                what = "dates or times" if found.kind == "time" else "numbers"
                then = "kept as text" if self.roles[name][0] in {"key", "id"} else "taken as missing"
                told.append(
                    f"{name}: {_cells(found.strays)} of {facts.present:,} with something else than {what}, "
                    f"first in row {found.first_stray}; {then}."
                )
            if facts.present == 0:
                told.append(f"{name}: no cell holds anything.")
            elif facts.missing > facts.rows / 2:
                told.append(f"{name}: {facts.missing / facts.rows:.0%} of its cells are missing.")
            if found.kind == "category" and found.coded == "text" and facts.levels is not None:
                for group in same_but_for_case(facts.levels)[:3]:
                    listed = " and ".join(repr(g) for g in group)
                    told.append(f"{name}: {listed} differ in case or spaces alone; they count as different categories.")
            if found.kind == "text" and self.roles[name][0] == "feature":
                told.append(
                    f"{name}: texts are not used unless [preparation] says texts = {{text = 'tfidf'}}; if these are "
                    "names of things, list the column in [model] categories."
                )
            if self.roles[name][0] == "constant":
                told.append(f"{name}: the same value in every row.")
        return told

    def _target_warnings(self, facts: Facts) -> list[str]:
        told = []
        if facts.missing:
            told.append(f"{facts.name}: {facts.missing:,} rows have no target and cannot be learned from.")
        if self.task == "classification" and facts.levels is None:
            told.append(f"{facts.name}: more than 10,000 different values; this is no target of a classification.")
        elif self.task == "classification" and len(self.classes) > MAX_CLASSES:
            told.append(f"{facts.name}: {len(self.classes)} classes are many.")
        elif self.task == "classification" and len(self.classes) < 2:
            told.append(f"{facts.name}: only one class; there is nothing to learn.")
        elif self.task == "regression" and facts.low == facts.high:
            told.append(f"{facts.name}: always the same number; there is nothing to learn.")
        return told


def _coding(found: Found) -> Literal["text", "integer", "boolean"]:
    # Labels that are whole numbers are carried as "1" whether the column is a category or not.
    coded = "integer" if found.kind == "integer" else found.coded
    return cast(Literal["text", "integer", "boolean"], coded)


def _cells(n: int) -> str:
    return "1 cell" if n == 1 else f"{n:,} cells"
