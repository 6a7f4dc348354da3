"""Folders as streams, by Spark Structured Streaming: files that come are answered once, also over kills.

Each file of the source holds one message a line. Spark finds the files, numbers the batches and writes down in its
checkpoint, before a batch is begun, which files it has; a batch that was cut short comes again with the same number and
the same files. Its answers are one file, named by that number, which is there whole or not at all: so each line has
one answer. What is asked, recorded and refused goes the way of every other stream, in this process.

Source: spark.apache.org/docs/latest/streaming, "Using Foreach and ForeachBatch", "Fault Tolerance Semantics".
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import RemoteError, UsageError
from fairlead.contract.streams import Message, Outgoing
from fairlead.reach.score.streams.desk import Desk, NotNow
from fairlead.reach.score.streams.running import FIRST_S, LONGEST_S, dead_letter
from fairlead.reach.score.streams.telling import Tally

CHECKPOINT = "_checkpoint"
SCHEMA = "path string, modificationTime timestamp, length bigint, content binary"
"""Of Spark's `binaryFile`, which a stream has to be told."""
FILES = 64
"""Files of one batch at most, all of which one file of answers follows."""
PATTERN = frozenset("*?[]{}\\")
Say = Callable[[str], None]
_encode = msgspec.json.Encoder().encode


class Folders(msgspec.Struct, frozen=True):
    """Where files come from and where answers and dead letters go. Raises UsageError where they are not three, or
    Spark would take the first for a pattern."""

    source: Path
    answers: Path
    dead: Path

    def __post_init__(self) -> None:
        if len({self.source, self.answers, self.dead}) < 3 or not self.source.is_dir():
            raise UsageError(
                f"{self.source}: must be a folder that is there, apart from those of answers and dead letters."
            )
        if PATTERN & set(str(self.source.absolute())):
            raise UsageError(
                f"{self.source}: Spark takes {' '.join(sorted(PATTERN))} in the place of a stream for a pattern and "
                "would read another folder, or files of this one several times: give it a plain name."
            )


class FileStreaming:
    """The counterpart of `Running` for folders. stop: ends it after the batch in hand."""

    def __init__(
        self, folders: Folders, engine: EngineSettings, desk: Desk, tally: Tally, say: Say,
        *, batch: int = 256, once: bool = False,
    ) -> None:  # fmt: skip
        self._folders, self._engine, self._desk, self._tally, self._say = folders, engine, desk, tally, say
        self._batch, self._once = batch, once
        self._why = ""
        self.stop = threading.Event()

    def run(self) -> None:
        """Until `stop`, or with `once` until every file that is there is answered. Raises RemoteError, MissingExtra."""
        from fairlead.lab.tables.engines.session import session

        self._require_checkpoint()
        for folder in (self._folders.answers, self._folders.dead):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".batch-*.jsonl.*"):
                left.unlink()  # of a process that was killed
        spark = session(msgspec.structs.replace(self._engine, connect=""))
        try:
            tries = 0
            while not self.stop.is_set():
                batches = self._tally.batches
                failed = self._query(spark)
                if not failed:
                    # All that was there is answered; how much comes meanwhile is known to nobody.
                    self._tally.lag = 0 if self._once and not self.stop.is_set() else None
                    return
                if not self._why:
                    raise RemoteError(f"Spark gave up: {failed}")
                tries = 1 if self._tally.batches > batches else tries + 1
                pause = min(LONGEST_S, FIRST_S * 2 ** min(tries, 16))
                self._tally.why = f"nothing answers for now: {self._why}"
                self._say(f"{self._tally.why}; trying again in {pause:.1f} s")
                self._tally.model += 1
                self.stop.wait(pause)
        finally:
            spark.stop()

    def _require_checkpoint(self) -> None:
        """Without it batches are counted from nought again, and a number that is there counts as answered."""
        answers = self._folders.answers
        if not (answers / CHECKPOINT).is_dir() and any(answers.glob("batch-*.jsonl")):
            raise UsageError(
                f"{answers.name} holds answers and no {CHECKPOINT}: files that come would be taken for answered. "
                f"Bring {CHECKPOINT} back, or give another folder for answers."
            )

    def _query(self, spark: Any) -> str:
        """One life of the query; why it failed, "" where it ended as it was to."""
        self._why = ""
        reader = spark.readStream.format("binaryFile").schema(SCHEMA).option("maxFilesPerTrigger", FILES)
        found = reader.load(str(self._folders.source))
        writer = found.select("path", "content").writeStream.foreachBatch(self._guarded)
        writer = writer.option("checkpointLocation", str(self._folders.answers / CHECKPOINT))
        writer = writer.trigger(availableNow=True) if self._once else writer.trigger(processingTime="500 milliseconds")
        query = writer.start()
        self._tally.up, self._tally.why = True, ""
        try:
            while not self.stop.is_set():
                if query.awaitTermination(0.2):
                    break
            # A batch in hand ends; one that does not is cut short, and comes again.
            until = monotonic() + 30
            while query.isActive and query.status["isTriggerActive"] and monotonic() < until:
                query.awaitTermination(0.1)
            query.stop()
        except Exception as error:
            return (str(error).splitlines() or [type(error).__name__])[0][:300]
        finally:
            self._tally.up = False
        return ""

    def _guarded(self, frame: Any, number: int) -> None:
        try:
            self._one(frame, number)
        except NotNow as why:
            self._why = str(why)
            raise

    def _one(self, frame: Any, number: int) -> None:
        """A batch: its answers and dead letters, each a file that is there whole or not at all."""
        done = self._folders.answers / f"batch-{number:012d}.jsonl"
        if done.exists():
            return
        answers = _Aside(done)
        dead = _Aside(self._folders.dead / done.name)
        tally = self._tally
        with dead, answers:
            for messages in batched(lines_of(frame.toLocalIterator()), self._batch):
                tally.in_flight = len(messages)
                for message, outcome in zip(messages, self._desk.answer(messages), strict=True):
                    if outcome.kind == "answered":
                        answers.write(b'{"key":%b,%b' % (_encode(message.id), outcome.body[1:]))
                    else:
                        dead.write(_told(dead_letter(message, outcome, tally.source)))
            # Answers last: where they are, the whole batch is.
            dead.keep()
            answers.keep()
        tally.answered += answers.lines
        tally.refused += dead.lines
        tally.moved_on()


def lines_of(files: Iterator[Any]) -> Iterator[Message]:
    """Every line that is not blank as a message; the file's name and the line's number make it one.

    files: rows of Spark with path and content.
    """
    for file in files:
        name = str(file["path"]).rstrip("/").rpartition("/")[2]
        for number, line in enumerate(bytes(file["content"]).split(b"\n"), 1):
            if line.strip():
                yield Message(f"{name}-{number}", line)


def batched(messages: Iterator[Message], most: int) -> Iterator[list[Message]]:
    """The same in lists of at most so many."""
    batch: list[Message] = []
    for one in messages:
        batch.append(one)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _told(letter: Outgoing) -> bytes:
    """A dead letter as a line; bytes that are no text as base64."""
    try:
        body: dict[str, str] = {"body": letter.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(letter.body).decode()}
    return _encode({"key": letter.id, **letter.headers, **body})


class _Aside:
    """Lines written beside a file that takes their name once they are whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._beside = path, path.with_name(f".{path.name}.{os.getpid()}")
        self._file: Any = None
        self.lines = 0

    def __enter__(self) -> _Aside:
        self._file = self._beside.open("wb")
        return self

    def write(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self.lines += 1

    def keep(self) -> None:
        """From now on it is there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._beside.unlink(missing_ok=True)
