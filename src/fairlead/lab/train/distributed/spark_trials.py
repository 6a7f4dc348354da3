"""Folds of trials as tasks of Spark: each fold is a job of one task, so that what is lost is one fold.

Rows and folds are sent once to every executor, as a file that is opened only if it is the one that was sent. Which
settings are tried, and what counts, is decided where the search runs: a fold that had to be fitted twice counts once.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import FairleadError, RemoteError
from fairlead.lab.train.parallel import Answered, answered
from fairlead.runtime.native.scratch import Scratch

if TYPE_CHECKING:
    from fairlead.lab.train.bench import Bench

ATTEMPTS = 3
"""Jobs in which a fold is tried, besides what Spark retries of itself."""
MOST_SLOTS = 64
_benches: dict[str, Any] = {}


class SparkHands:
    """Fits of one bench by the executors of a session. slots: folds at once; 0: as many as the session has."""

    def __init__(self, session: Any, bench: Bench, seed: int, slots: int = 0) -> None:
        self._session, self._seed = session, seed
        self.slots = min(slots or slots_of(session), MOST_SLOTS)
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="spark")
        held = pickle.dumps(bench, protocol=5)
        self._digest = hashlib.sha256(held).hexdigest()
        # Rows of the table lie there: after a kill it goes with the next one that is made.
        self._scratch = Scratch()
        self._file = f"fairlead-bench-{self._digest[:16]}-{os.urandom(4).hex()}"
        path = Path(self._scratch.path) / self._file
        try:
            path.write_bytes(held)
            session.addArtifacts(str(path), file=True)
        except BaseException:
            self._scratch.close()
            raise
        self._closed = False

    def submit(self, index: int, learner: Any, parameters: Mapping[str, Any]) -> Future[Answered]:
        """One fold of one trial. What the fit raises is raised by the result; RemoteError where tasks were lost."""
        task = pickle.dumps((index, learner, dict(parameters), self._seed), protocol=5)
        return self._pool.submit(self._ask, task)

    def __enter__(self) -> SparkHands:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        self._scratch.close()

    def _ask(self, task: bytes) -> Answered:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._job(task)
            except FairleadError:
                raise
            except Exception as lost:
                # Of a process that was killed Spark says no more than that its job failed.
                if attempt == ATTEMPTS or self._closed:
                    said = str(lost).splitlines()[0][:300] if str(lost) else type(lost).__name__
                    raise RemoteError(f"Spark lost a fold of a trial {attempt} times: {said}") from lost
        raise AssertionError

    def _job(self, task: bytes) -> Answered:
        import pyarrow as pa

        rows = self._session.createDataFrame(pa.table({"task": [task]})).coalesce(1)
        name, digest = self._file, self._digest

        def work(batches: Iterator[Any]) -> Iterator[Any]:
            for batch in batches:
                for one in batch.column(0).to_pylist():
                    yield pa.RecordBatch.from_pydict({"answer": pa.array([done(name, digest, one)], pa.binary())})

        found = rows.mapInArrow(work, "answer binary").toArrow().column(0).to_pylist()
        if len(found) != 1:
            raise RuntimeError(f"one fold was asked for, {len(found)} were answered")
        answer = pickle.loads(found[0])  # noqa: S301 - from our own executors, whose session this process opened
        if isinstance(answer, BaseException):
            raise answer if isinstance(answer, FairleadError) else RemoteError(f"a fit failed: {answer!r}")
        kept: Answered = answer
        return kept


def slots_of(session: Any) -> int:
    """Tasks that a session runs at once; of a Spark Connect server what it says, else those of this machine."""
    try:
        return max(1, int(session.sparkContext.defaultParallelism))
    except Exception:
        return int(session.conf.get("spark.default.parallelism", None) or os.cpu_count() or 1)


def done(name: str, digest: str, task: bytes) -> bytes:
    """On an executor: one fold, or what it raised, pickled. name: of the file that was sent; digest: its sha256."""
    try:
        found: Any = answered(_bench(name, digest), *pickle.loads(task))  # noqa: S301 - from the driver of this job
    except Exception as failure:
        found = failure
    try:
        return pickle.dumps(found, protocol=5)
    except Exception as failure:
        return pickle.dumps(RemoteError(f"{type(found).__name__}: {failure}"), protocol=5)


def _bench(name: str, digest: str) -> Any:
    from pyspark import SparkFiles

    if digest not in _benches:
        held = Path(SparkFiles.get(name)).read_bytes()
        if hashlib.sha256(held).hexdigest() != digest:
            raise RemoteError("the rows of this search came to an executor otherwise than they were sent.")
        # One at a time: a worker of Spark may live longer than a search.
        _benches.clear()
        _benches[digest] = pickle.loads(held)  # noqa: S301 - its hash is the one that the driver sent
    return _benches[digest]
