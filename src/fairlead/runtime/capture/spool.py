"""The spool of one worker: append-only segments, one os.write a tick, before the replies.

What a client saw answered is in the page cache by then and survives kill -9 of the worker.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from fairlead.contract.ports import Clock
from fairlead.runtime.capture.ahead import give_back, reserve
from fairlead.runtime.capture.cursor import sync_folder
from fairlead.runtime.capture.keys import Key
from fairlead.runtime.capture.locking import Locker, scan
from fairlead.runtime.capture.uncaptured import DISK_ERROR, DISK_FULL, SPOOL_FULL, TOO_LARGE, Uncaptured, settle
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.frames import Counts, Drop, Label, Prediction, Schema, Shadow, Tick

_PIECE = 256 * 1024
SUFFIX = ".spool"
LARGEST_WRITE = frames.LARGEST - (1 << 10)
"""Bytes of a write that readers take as one frame, its encryption included. Images may be many and large."""
DAMAGED = ".damaged"
COUNTS_S = 1.0
"""Running counts are written at least so often while there is traffic: frames and counts check each other."""
MOST_RETIRED = 8
"""Finished segments that may wait to be synced."""
AHEAD_FROM, AHEAD_MOST = 1 << 16, 1 << 24
"""Bytes between two calls of `prepare` from which blocks are taken ahead; the most that are."""


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
    for _, _, frame in scan(path):
        if isinstance(frame, Counts):
            counts = frame
        elif counts is not None:
            add(counts, frame)
    return counts


def add(counts: Counts, frame: frames.Frame) -> None:
    """Add a complete frame to running counts that do not have it yet."""
    if isinstance(frame, Shadow):
        counts.shadows += len(frame.rows)
    elif isinstance(frame, (Prediction, Tick)):
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
    """Appends frames; never raises for a disk that is full or cannot be written: drops are counted.

    max_bytes bounds the folder of this worker; segment_bytes and segment_s when a new segment begins. durable:
    somebody calls `sync` by interval, so finished segments wait for it. key: to encrypt with, None not to. clock:
    seconds since the epoch, for what people read; timer: for spans of time, which a clock that is set must not change.
    One thread appends; `prepare`, `sync` and `turn` may be called from one other.
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
        durable: bool = False,
        key: Key | None = None,
        clock: Clock = time.time,
        timer: Clock = time.monotonic,
    ) -> None:
        self.folder = Path(folder) / instance / worker
        self.instance, self.worker, self.max_bytes = instance, worker, max_bytes
        self._segment_bytes, self._segment_s = segment_bytes, segment_s
        self._durable, self._clock, self._timer = durable, clock, timer
        self._key = key
        self._locker: Locker | None = None
        self._lock = threading.Lock()
        self._fd = -1
        self._size = self._others = 0
        # Of the segment: its number, its size when `prepare` last looked, to where it has blocks; -1: it gets none.
        self._number = self._paced = self._reserved = 0
        self._began = self._measured = self._counted = 0.0
        # Schemas that the segment has, by identity: kept, so that no other object gets theirs.
        self._known: dict[int, Schema] = {}
        self._retired: list[int] = []
        # To the disk: bytes of the segment, the name of a new one, the counts beside it.
        self._dirty = self._named = False
        # Whether the running counts say more than frames and the file beside them do.
        self._owed = False
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        self.counts = self._recover()
        self._uncaptured = Uncaptured(self.folder, self.counts)

    def _recover(self) -> Counts:
        """Counts go on where the segments of the worker before this one end."""
        for path in reversed(segments(self.folder)):
            counts = counts_of(path)
            if counts is not None:
                break
        else:
            counts = Counts(0.0, 0, 0, 0, {}, 0, 0, 0)
        return settle(counts, self.folder)

    def append(self, encoded: Sequence[bytes], schemas: Sequence[Schema], tally: Tally) -> bool:
        """Write frames in one os.write. False when they were dropped instead.

        schemas: of the bundles in `encoded`; written once a segment.
        """
        with self._lock:
            now = self._timer()
            size = self._size
            open_ = self._fd >= 0 and size < self._segment_bytes and now - self._began < self._segment_s
            # As it nearly always is, said first: a segment is open and has room.
            reason = "" if (open_ and size + self._others < self.max_bytes) or self._room(now) else SPOOL_FULL
            counts = self.counts
            counts.answered += tally.answered
            counts.sampled_out += tally.sampled_out
            if not reason and (encoded or self._owed):
                reason = self._append(encoded, schemas, tally, now)
            if reason and tally.captured:
                counts.dropped[reason] = counts.dropped.get(reason, 0) + tally.captured
                self._owed = True
            if (tally.sampled_out or self._owed) and not self._uncaptured.save(counts):
                self._owed = True
            return not reason

    def _append(self, encoded: Sequence[bytes], schemas: Sequence[Schema], tally: Tally, now: float) -> str:
        counts = self.counts
        counts.captured += tally.captured
        counts.shadows += tally.shadows
        counts.labels += tally.labels
        counts.errors += tally.errors
        parts = encoded
        for schema in schemas:
            if id(schema) not in self._known:
                self._known[id(schema)] = schema
                parts = [frames.encode(schema), *parts]
        counted = self._owed or now - self._counted >= COUNTS_S
        if counted:
            counts.time = self._clock()
            parts = [*parts, frames.encode(counts)]
        reason = self._put(parts[0] if len(parts) == 1 else b"".join(parts))
        if not reason:
            if counted:
                self._owed, self._counted = False, now
            return ""
        counts.captured -= tally.captured
        counts.shadows -= tally.shadows
        counts.labels -= tally.labels
        counts.errors -= tally.errors
        self._known.clear()
        return reason

    def _room(self, now: float) -> bool:
        """Whether the bound is not reached; begins a segment where one is due."""
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
        # The counts before this write open the segment: whoever removes older ones loses nothing of the books.
        self._retire()
        wall = self._clock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = segments(self.folder)
            self._number = max(int(wall * 1000), sequence(before[-1]) + 1 if before else 0)
            path = self.folder / f"{self._number}{SUFFIX}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:
            self._fd = -1
            return
        self._size, self._began, self._counted, self._named = 0, now, now, True
        self._paced = self._reserved = 0
        self._locker = None if self._key is None else Locker(self._key, path)
        self._known.clear()
        self._measure(now)
        self.counts.time = wall
        self._owed = bool(self._put(frames.encode(self.counts)))

    def _retire(self) -> None:
        """Let go of the segment; of one that is to be durable once it is on the disk, by whoever syncs."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if self._durable and len(self._retired) < MOST_RETIRED:
            self._retired.append(fd)
            return
        if self._reserved > self._size:
            _settle(fd)
        os.close(fd)

    def _put(self, data: bytes) -> str:
        """One write; the reason if it failed. What a full disk cut short is taken back: segments stay readable."""
        if self._fd < 0:
            return DISK_ERROR
        small = len(data) <= _PIECE
        if not small and (reason := self._too_much(len(data))):
            return reason
        if self._locker is not None:
            data = self._locker.lock(data, self._size)
        try:
            done = os.write(self._fd, data if small else data[:_PIECE])
            while done < len(data):
                # By pieces: where the kernel is not preemptible, whoever shares the processor waits for a call's end.
                done += os.write(self._fd, data[done : done + _PIECE])
        except OSError as failed:
            try:
                os.ftruncate(self._fd, self._size)
                self._reserved = 0
            except OSError:
                self._retire()
            return DISK_FULL if failed.errno in {errno.ENOSPC, errno.EDQUOT} else DISK_ERROR
        self._size += len(data)
        self._dirty = True
        return ""

    def _too_much(self, length: int) -> str:
        """Why a write of many bytes is not begun: what no reader takes, or more than the folder may have."""
        if length > LARGEST_WRITE:
            return TOO_LARGE
        if self._size + self._others + length > self.max_bytes:
            now = self._timer()
            if now - self._measured >= 1.0:
                self._measure(now)
            if self._size + self._others + length > self.max_bytes:
                return TOO_LARGE if length > self.max_bytes else SPOOL_FULL
        return ""

    def prepare(self, busy: int = AHEAD_FROM) -> None:
        """Take blocks for what the next seconds append, so that appending does not wait for `sync`, see `ahead`.

        To be called often: what came since the last call is the pace; below `busy` bytes nothing is taken.
        """
        with self._lock:
            size, grown = self._size, self._size - self._paced
            self._paced, number = size, self._number
            if self._fd < 0 or grown < busy or self._reserved < 0:
                return
            if self._reserved - size >= min(8 * grown, AHEAD_MOST // 2):
                return
            start = max(size, self._reserved)
            end = min(size + min(32 * grown, AHEAD_MOST), self._segment_bytes, self.max_bytes - self._others)
            if end <= start:
                return
            try:
                fd = os.dup(self._fd)
            except OSError:
                # As many files are open as may be; the next call comes soon.
                return
        had = reserve(fd, start, end - start)
        with self._lock:
            if number != self._number or self._fd < 0:
                # It was finished meanwhile, and nothing is appended to it any more.
                _settle(fd)
            elif had:
                self._reserved = end
            else:
                # No blocks are to be had, or fewer: what there is left is for whoever writes first.
                self._reserved = -1
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, self._size)
            os.close(fd)

    def turn(self) -> None:
        """Begin a new segment now, so that the one before it can be collected whole and removed."""
        with self._lock:
            if self._fd >= 0 or segments(self.folder):
                self._rotate(self._timer())

    def sync(self) -> bool:
        """To the disk, against loss of power; appending does not wait for it. False when the disk would not."""
        with self._lock:
            waiting, self._retired = self._retired, []
            finished = len(waiting)
            if self._dirty and self._fd >= 0:
                waiting.append(os.dup(self._fd))
            named, self._dirty, self._named = self._named, False, False
        failed = False
        for at, fd in enumerate(waiting):
            if at < finished:
                _settle(fd)
            try:
                os.fdatasync(fd)
            except OSError:
                failed = True
            os.close(fd)
        self._uncaptured.sync()
        if named:
            with contextlib.suppress(OSError):
                sync_folder(self.folder)
        if failed:
            self._dirty = True
        return not failed

    def close(self) -> None:
        """Let go of the segment, with the counts said and all of it on the disk."""
        with self._lock:
            if self._fd >= 0:
                self.counts.time = self._clock()
                self._put(frames.encode(self.counts))
                self._dirty = True
        self.sync()
        with self._lock:
            self._durable = False
            self._retire()
            self._uncaptured.close()


def _settle(fd: int) -> None:
    """Blocks that a finished segment did not need are given back; a disk that would not keeps them till it goes."""
    with contextlib.suppress(OSError):
        give_back(fd)
