"""Engine `spark`: rows are worked on by Spark, through `mapInArrow`, by the same code as here.

Spark reads Parquet itself, a file, a folder or an address, in as many pieces as there are row groups; other tables go
through this process, in memory. Answers are kept by Spark until every row has one, and then fetched in order.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import FairleadError, RemoteError, SourceUnreadable
from fairlead.lab.tables.engines import Fold, Found, State, Work
from fairlead.lab.tables.engines import executing as ex
from fairlead.lab.tables.engines.session import end
from fairlead.lab.tables.engines.session import session as session
from fairlead.lab.tables.engines.spark_sources import columns_of, numbered, quoted, rows_of
from fairlead.lab.tables.engines.travelling import error_of, packed

FETCHED = 1 << 20
"""Rows of answers that are fetched together."""

FAN_IN = 16
"""States that are merged to one at each level of the tree."""

UNREADABLE = ("FAILED_READ_FILE", "is not a Parquet file", "CANNOT_READ_FILE_FOOTER")
"""What Spark says of files that are no tables, or torn ones."""
APART = "PARQUET_COLUMN_DATA_TYPE_MISMATCH"

_SHIPPED = "_fairlead_shipped"


class SparkEngine:
    """Engine on the executors of a Spark session, which begins when it is first needed."""

    name = "spark"

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        self._session: Any = None
        self._ours = False

    @property
    def spark(self) -> Any:
        """The session. Raises as `session`."""
        if self._session is None:
            self._ours = not _running()
            self._session = session(self.settings)
        return self._session

    def columns(self, source: Any) -> tuple[str, ...]:
        """See `Engine`."""
        with _answers_of_spark():
            return columns_of(self.spark, source)

    def rows(self, source: Any) -> int:
        """See `Engine`."""
        with _answers_of_spark():
            return rows_of(self.spark, source)

    def every(self, source: Any, step: int) -> pa.Table:
        """See `Engine`."""
        with _answers_of_spark(), numbered(self.spark, source) as every:
            found = every.where(every[ex.ROW] % step == 0) if step > 1 else every
            return found.toArrow().sort_by(ex.ROW).drop_columns([ex.ROW]).combine_chunks()

    def head(self, source: Any, rows: int) -> pa.Table:
        """See `Engine`."""
        with _answers_of_spark(), numbered(self.spark, source) as found:
            return found.where(found[ex.ROW] < rows).toArrow().sort_by(ex.ROW).drop_columns([ex.ROW]).combine_chunks()

    def map_batches(self, source: Any, work: Work) -> Iterator[pa.Table]:
        """See `Engine`."""
        from pyspark.sql.pandas.types import from_arrow_schema

        with ExitStack() as kept:
            with _answers_of_spark():
                rows, names = _narrowed(kept.enter_context(numbered(self.spark, source)), work.columns)
                kinds = from_arrow_schema(ex.answers(work.schema))
                answered = rows.mapInArrow(ex.mapper(_bare(work), names, self._sent(work.ships)), kinds).persist()
            kept.callback(answered.unpersist)
            yield from _fetched(answered, work.schema)

    def fold(self, source: Any, folding: Fold[State, Found]) -> Found:
        """See `Engine`."""
        from pyspark.sql.pandas.types import from_arrow_schema

        with _answers_of_spark(), numbered(self.spark, source) as every:
            rows, names = _narrowed(every, folding.columns)
            bare = _bare(folding)
            kinds = from_arrow_schema(ex.STATES)
            states = rows.mapInArrow(ex.folder(bare, names, self._sent(folding.ships)), kinds).persist()
            try:
                held, count = states, states.count()
                while count > FAN_IN:
                    count = -(-count // FAN_IN)
                    held = held.repartition(count).mapInArrow(ex.merger(bare), kinds)
                found = held.toArrow()
            finally:
                states.unpersist()
        wrong = ex.first_error(found)
        if wrong is not None:
            raise error_of(wrong[1])
        decoded = [folding.decode(state) for state in found.column(ex.STATE).to_pylist()]
        if decoded:
            return folding.merge(decoded)
        return folding.decode(folding.encode(folding.zero(lambda name: Path(folding.ships[name]))))

    def close(self) -> None:
        """See `Engine`. A session that was there before stays."""
        if self._session is not None and self._ours:
            end(self._session)
        self._session = None

    def _sent(self, ships: Mapping[str, Path]) -> dict[str, str]:
        """Names of the archives as executors know them; each goes out once in the life of a session."""
        held: Sent | None = getattr(self.spark, _SHIPPED, None)
        if held is None:
            # Executors that come later fetch it, too, so it lies there as long as the session lives.
            held = Sent()
            setattr(self.spark, _SHIPPED, held)
        return {name: held.send(self.spark, packed(folder)) for name, folder in ships.items()}


class Sent:
    """Archives that a session's executors know, by what is in them."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fairlead-ships-")
        self._names: set[str] = set()

    def send(self, spark: Any, content: bytes) -> str:
        """The name by which executors find these bytes; they go out once."""
        name = f"fairlead-{hashlib.sha256(content).hexdigest()[:32]}.tar"
        if name not in self._names:
            path = Path(self._folder.name) / name
            path.write_bytes(content)
            spark.addArtifacts(str(path), file=True)
            self._names.add(name)
        return name


def _running() -> bool:
    """Whether this process has a session, in whichever of its threads it began."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is not None or SparkSession.getActiveSession() is not None:
        return True
    connect = sys.modules.get("pyspark.sql.connect.session")
    return connect is not None and connect.SparkSession._get_default_session() is not None


def _bare(work: Any) -> Any:
    """Without the folders of this machine: executors have them by the names of their archives."""
    return replace(work, ships={})


def _narrowed(rows: Any, columns: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """Only what is asked for, so far as it is there (what lacks is said where rows are worked on), and its names.

    Spark's `mapInArrow` looks columns up by names that it does not quote, so they go by their places.
    """
    names = tuple(n for n in rows.columns if n != ex.ROW and (not columns or n in columns))
    chosen = rows.select(*[quoted(name) for name in names], ex.ROW)
    return chosen.toDF(*[f"c{place}" for place in range(len(names))], ex.ROW), names


def _fetched(answered: Any, schema: pa.Schema) -> Iterator[pa.Table]:
    from pyspark.sql import functions as of

    with _answers_of_spark():
        row, error = of.col(ex.ROW), of.col(ex.ERROR)
        # An error comes back where its row lies; the first one by row is what a pass in order would have met.
        told = answered.agg(of.count("*"), of.min(row), of.max(row), of.min(of.when(error.isNotNull(), row))).first()
        assert told is not None
        count, low, high, wrong = told
        if wrong is not None:
            texts = answered.where((row == wrong) & error.isNotNull()).select(error).toArrow()
            raise error_of(min(texts.column(ex.ERROR).to_pylist()))
    if not count:
        return
    for start in range(low, high + 1, FETCHED):
        with _answers_of_spark():
            part = answered if high - low < FETCHED else answered.where((row >= start) & (row < start + FETCHED))
            found = part.toArrow()
        yield found.sort_by(ex.ROW).select(schema.names).cast(schema).combine_chunks()


@contextmanager
def _answers_of_spark() -> Iterator[None]:
    """What Spark raises, as errors of ours. Raises SourceUnreadable for tables it cannot read, else RemoteError."""
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, PySparkException

    try:
        yield
    except FairleadError:
        raise
    except AnalysisException as error:
        raise SourceUnreadable(f"Spark cannot read the table: {_shortly(error)}") from error
    except (PySparkException, Py4JError) as error:
        if APART in str(error):
            raise SourceUnreadable(
                "Spark cannot read the table: a column is of another kind in one of its files than in the first"
            ) from error
        if any(mark in str(error) for mark in UNREADABLE):
            raise SourceUnreadable("Spark cannot read the table: no Parquet, or damaged") from error
        raise RemoteError(f"Spark did not finish: {_shortly(error)}") from error


def _shortly(error: BaseException) -> str:
    """One line: of a traceback from an executor the last, which says what was raised; of Java's the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    inside = list(itertools.dropwhile(lambda line: not line.startswith("Traceback"), lines))
    raised = [line for line in inside if not line.startswith(("File ", "Traceback", "at ", "^", "~", "JVM", "org."))]
    chosen = raised[-1] if raised else causes[-1] if causes else lines[0] if lines else type(error).__name__
    return chosen[:300]
