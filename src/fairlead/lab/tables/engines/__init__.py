"""Where a table is worked on: this process, or a cluster that people already run; the same work, the same answers.

An engine does two things with rows: it maps them, batch by batch, and it folds them into one state. Rows keep their
numbers, from 0 in the order of the table, wherever they are worked on, so errors name the same row everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from fairlead.contract.engines import EngineSettings
from fairlead.contract.plugins import variant

State = TypeVar("State")
Found = TypeVar("Found")
Place = Callable[[str], Path]
"""Where a folder that was shipped lies, by its name."""

Step = Callable[[pa.RecordBatch, int], pa.RecordBatch]
"""Rows, which follow each other, and the number of the first, to as many answers or fewer."""


@dataclass(frozen=True)
class Work:
    """What is done to rows. key: what `make` makes, by which a process keeps it. make: called once in every process.

    schema: of the answers. columns: that are needed; empty: all. ships: folders by name, sent once to every executor.
    """

    key: str
    make: Callable[[Place], Step]
    schema: pa.Schema
    columns: tuple[str, ...] = ()
    ships: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Fold(Generic[State, Found]):
    """Rows folded. zero: an empty state, which may open what was shipped. step: takes in a batch and the number of its
    first row. encode: what was found, as bytes, and decode: it again, as pack does for what was merged. merge: of any
    parts of the rows, in any grouping.
    """

    zero: Callable[[Place], State]
    step: Callable[[State, pa.RecordBatch, int], State]
    encode: Callable[[State], bytes]
    decode: Callable[[bytes], Found]
    merge: Callable[[Sequence[Found]], Found]
    pack: Callable[[Found], bytes]
    columns: tuple[str, ...] = ()
    ships: Mapping[str, Path] = field(default_factory=dict)


class Engine(Protocol):
    """Port `engine`: where rows are worked on. Built with `EngineSettings`; connects to nothing before it is asked.

    source: a path or address, a `Table`, a pandas frame or an Arrow table; Spark takes its own frames, too.
    FairleadErrors that work raises come back as they are; of several rows that are refused the first one counts.
    """

    name: str

    def columns(self, source: Any) -> tuple[str, ...]:
        """Names in order. Raises SourceUnreadable."""

    def rows(self, source: Any) -> int:
        """How many there are."""

    def every(self, source: Any, step: int) -> pa.Table:
        """Rows 0, step, 2 * step and so on, in order."""

    def head(self, source: Any, rows: int) -> pa.Table:
        """The first rows, in order."""

    def map_batches(self, source: Any, work: Work) -> Iterator[pa.Table]:
        """Answers in the order of the rows. Nothing is handed out before every row has been answered, where rows are
        answered elsewhere."""

    def fold(self, source: Any, folding: Fold[State, Found]) -> Found:
        """What was found in all rows."""

    def close(self) -> None:
        """Let go of what was started."""


def engine_of(settings: EngineSettings | None = None) -> Engine:
    """The engine that [engine] names. Raises UnknownPlugin, MissingExtra."""
    chosen = settings or EngineSettings()
    found: Engine = variant("engine", chosen.name, extra="spark")(chosen)
    return found
