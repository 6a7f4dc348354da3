"""The spool of one worker: append-only segments, one os.write a tick, before the replies.

What a client saw answered is in the page cache by then and survives kill -9 of the worker.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path

from fairlead.runtime.wire import frames
from fairlead.runtime.wire.frames import Counts, Drop, Label, Prediction, Schema, Shadow

SUFFIX = ".spool"
DAMAGED = ".damaged"
SLACK_BYTES = 1 << 20
"""Room beyond the bound for drops and counts alone, so that what was not captured is still known."""


class Tally:
    """What one write is about, in rows (labels and errors in items)."""

    __slots__ = ("answered", "captured", "errors", "labels", "sampled_out", "shadows")

    def __init__(
        self,
        answered: int = 0,
        captured: int = 0,
        sampled_out: int = 0,
        shadows: int = 0,
        labels: int = 0,
        errors: int = 0,
    ) -> None:
        self.answered, self.captured, self.sampled_out = answered, captured, sampled_out
        self.shadows, self.labels, self.errors = shadows, labels, errors


def segments(folder: Path) -> list[Path]:
    """Segments of a worker, oldest first."""
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    return sorted((Path(entry.path) for entry in found), key=sequence)


def sequence(path: Path) -> int:
    """The sequence number in a segment's file name."""
    return int(path.name.split(".", 1)[0])


def segment_name(instance: str, worker: str, path: Path) -> str:
    """The identity that records carry: instance, worker and sequence."""
    return f"{instance}-{worker}-{sequence(path)}"


def counts_of(path: Path) -> Counts | None:
    """The running counts at the end of a segment, complete frames after the last of them added; None if it has none.

    Frames without their counts are those of a write that a kill cut short: captured, so also counted as answered.
    """
    counts: Counts | None = None
    for _, _, frame in frames.scan(path):
        if isinstance(frame, Counts):
            counts = frame
        elif counts is not None:
            add(counts, frame)
    return counts


def add(counts: Counts, frame: frames.Frame) -> None:
    """Add a complete frame to running counts that do not have it yet."""
    if isinstance(frame, Shadow):
        counts.shadows += len(frame.rows)
    elif isinstance(frame, Prediction):
        counts.answered += len(frame.rows)
        counts.captured += len(frame.rows)
    elif isinstance(frame, Label):
        counts.labels += len(frame.items)
    elif isinstance(frame, Drop):
        counts.answered += frame.rows
        counts.dropped[frame.reason] = counts.dropped.get(frame.reason, 0) + frame.rows
    elif isinstance(frame, frames.Error):
        counts.errors += 1


class Spool:
    """Appends frames; never raises for a disk that is full or a bound that is reached: drops are counted.

    max_bytes bounds the folder of this worker; segment_bytes and segment_s when a new segment begins.
    Not safe for several threads, except `sync`.
    """

    def __init__(
        self,
        folder: Path,
        instance: str,
        worker: str,
        max_bytes: int,
        *,
        segment_bytes: int = 64 << 20,
        segment_s: float = 3600.0,
    ) -> None:
        self.folder = Path(folder) / instance / worker
        self.instance, self.worker, self.max_bytes = instance, worker, max_bytes
        self._segment_bytes, self._segment_s = segment_bytes, segment_s
        self.folder.mkdir(parents=True, exist_ok=True)
        self._fd = -1
        self._size = self._others = 0
        self._began = self._measured = self._said = 0.0
        self._known: set[tuple[str, str]] = set()
        self._unsaid: dict[str, int] = {}
        self._dirty = False
        self.counts = self._recover()

    def _recover(self) -> Counts:
        """Counts go on where the segments of the worker before this one end."""
        for path in reversed(segments(self.folder)):
            counts = counts_of(path)
            if counts is not None:
                return counts
        return Counts(0.0, 0, 0, 0, {}, 0, 0, 0)

    def append(self, encoded: Sequence[bytes], schemas: Sequence[Schema], tally: Tally) -> bool:
        """Write frames, ended by the running counts, in one os.write. False when they were dropped instead.

        schemas: of the bundles in `encoded`; written once a segment.
        """
        now = time.time()
        counts = self.counts
        # First, as a new segment opens with the counts before this write.
        reason = "" if self._room(now) else "spool_full"
        counts.answered += tally.answered
        counts.sampled_out += tally.sampled_out
        if not reason:
            counts.captured += tally.captured
            counts.shadows += tally.shadows
            counts.labels += tally.labels
            counts.errors += tally.errors
            reason = self._write([*self._drops(now), *self._describe(schemas), *encoded], now)
            if not reason:
                return True
            counts.captured -= tally.captured
            counts.shadows -= tally.shadows
            counts.labels -= tally.labels
            counts.errors -= tally.errors
            self._known.clear()
        if tally.captured:
            counts.dropped[reason] = counts.dropped.get(reason, 0) + tally.captured
            self._unsaid[reason] = self._unsaid.get(reason, 0) + tally.captured
        if (
            reason == "spool_full"
            and now - self._said >= 1.0
            and self._size + self._others < self.max_bytes + SLACK_BYTES
        ):
            self._said = now
            self._write(self._drops(now), now)
        return False

    def _drops(self, now: float) -> list[bytes]:
        return [frames.encode(Drop(now, reason, rows)) for reason, rows in self._unsaid.items()]

    def _describe(self, schemas: Sequence[Schema]) -> list[bytes]:
        new = []
        for schema in schemas:
            key = (schema.model, schema.bundle)
            if key not in self._known:
                self._known.add(key)
                new.append(frames.encode(schema))
        return new

    def _room(self, now: float) -> bool:
        """Whether a segment is open and the bound is not reached; begins a segment where one is due."""
        if self._size + self._others >= self.max_bytes:
            if now - self._measured < 1.0:
                return False
            self._measure(now)
            if self._size + self._others >= self.max_bytes:
                return False
        if self._fd < 0 or self._size >= self._segment_bytes or now - self._began >= self._segment_s:
            self._rotate(now)
        return True

    def _measure(self, now: float) -> None:
        """The collector removes finished segments, so what others take is looked up, once a second at most."""
        self._measured = now
        total = 0
        for path in segments(self.folder):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        self._others = total - self._size

    def _rotate(self, now: float) -> None:
        before = segments(self.folder)
        number = max(int(now * 1000), sequence(before[-1]) + 1 if before else 0)
        self.close()
        try:
            path = self.folder / f"{number}{SUFFIX}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:
            self._fd = -1
            return
        self._size, self._began = 0, now
        self._known.clear()
        self._measure(now)
        self._put(frames.encode(self.counts))

    def _write(self, encoded: list[bytes], now: float) -> str:
        if self._fd < 0:
            return "disk_error"
        self.counts.time = now
        encoded.append(frames.encode(self.counts))
        reason = self._put(b"".join(encoded))
        if not reason:
            self._unsaid.clear()
        return reason

    def _put(self, data: bytes) -> str:
        """One write; the reason if it failed. What a full disk cut short is taken back: segments stay readable."""
        try:
            done = os.write(self._fd, data)
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as failed:
            try:
                os.ftruncate(self._fd, self._size)
            except OSError:
                self.close()
            return "disk_full" if failed.errno in {errno.ENOSPC, errno.EDQUOT} else "disk_error"
        self._size += len(data)
        self._dirty = True
        return ""

    def sync(self) -> None:
        """To the disk, against loss of power. Called from another thread, by interval."""
        if self._dirty and self._fd >= 0:
            self._dirty = False
            try:
                os.fdatasync(self._fd)
            except OSError:
                self._dirty = True

    def close(self) -> None:
        """Let go of the segment, with the last drops said."""
        if self._fd >= 0:
            now = time.time()
            if self._unsaid:
                self._write(self._drops(now), now)
            self.sync()
            os.close(self._fd)
            self._fd = -1
