"""Large bodies and answers as files in memory: they pass a worker by pieces and go on to the lane as descriptors.

A worker that gathered 30 MB in its own memory would stand still while that grows, is joined and is copied, and again
while the answer is. What is in such a file is mapped nowhere: a piece costs what its bytes cost to copy, once.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from io import BytesIO
from threading import Thread

PIECE = 256 * 1024
"""Bytes that are read or written at a time, between which a worker answers others."""


_LONG = 2 * 1024 * 1024
"""Bytes whose memory takes a quarter of a millisecond and more to free."""


class Stored:
    """Bytes of one owner, who closes it. A file without a name: in memory, or on the disk where there is no memfd.

    size: bytes in it. closed: called once, with the size.
    """

    __slots__ = ("closed", "fd", "size")

    def __init__(self, fd: int, size: int = 0) -> None:
        self.fd, self.size = fd, size
        self.closed: Callable[[int], None] | None = None

    @staticmethod
    def empty() -> Stored:
        """Raises OSError where there is no file to be had."""
        if hasattr(os, "memfd_create"):
            return Stored(os.memfd_create("fairlead-body", os.MFD_CLOEXEC))
        with tempfile.TemporaryFile(buffering=0) as file:
            return Stored(os.dup(file.fileno()))

    @staticmethod
    def taken(fd: int) -> Stored:
        """What another process passed on, of whatever size it is. Raises OSError."""
        try:
            return Stored(fd, os.fstat(fd).st_size)
        except OSError:
            os.close(fd)
            raise

    def __len__(self) -> int:
        return self.size

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Write at the end. Raises OSError where there is no room."""
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += os.pwrite(self.fd, view[done : done + PIECE], self.size + done)
            self.size += done

    def piece(self, at: int, size: int = PIECE) -> bytes:
        """Up to `size` bytes from `at` on. Raises OSError; EOFError where the file has become shorter."""
        piece = os.pread(self.fd, min(size, self.size - at), at)
        if not piece and at < self.size:
            raise EOFError("a stored body has become shorter")
        return piece

    def read(self) -> bytes:
        """All of it. Raises OSError, EOFError."""
        # By pieces here, too: a kernel that is not preemptible runs nothing else on a processor during a call.
        whole, at = BytesIO(), 0
        while at < self.size:
            at += whole.write(self.piece(at))
        return whole.getvalue()

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, last: bool = True) -> None:
        """Again is nothing. last: nobody else has the file, so that its memory is freed; a loop would wait for that."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        if not last or self.size < _LONG or not _elsewhere(fd):
            _close(fd)
        if self.closed is not None:
            self.closed(self.size)

    def __del__(self) -> None:
        # Without a thread: at the end of a process one would be waited for that never starts.
        self.close(last=False)


def _elsewhere(fd: int) -> bool:
    """Whether a thread could be had to close it."""
    try:
        Thread(target=_close, args=(fd,), daemon=True).start()
    except RuntimeError:
        return False
    return True


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)
