"""Blocks of the disk for what a file will grow by, taken before it does; its size stays what it is.

Where the file system finds blocks only when it writes back, an append waits for whoever brings the file to the disk:
on ext4 both need the inode's map of blocks. With blocks at hand an append does not touch that map.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Callable
from typing import Any

KEEP_SIZE = 1
PIECE, DEAR_S = 1 << 22, 0.0003
"""Bytes that are asked for at once: an append waits for no more. CPU seconds that they may cost: a file system on a
disk notes what it gives, in 15 µs; one in memory fills it with zeros, and has no disk that anybody waits for."""


def reserve(fd: int, start: int, length: int) -> bool:
    """Blocks for `length` bytes from `start` on; False where there are none, or fewer, or they come dear.

    Never posix_fallocate: that one changes the size, and where it is not offered writes the zeros itself.
    Source: fallocate(2), FALLOC_FL_KEEP_SIZE.
    """
    call, end = _fallocate(), start + length
    if call is None:
        return False
    for at in range(start, end, PIECE):
        began = time.thread_time()
        if call(fd, KEEP_SIZE, at, min(PIECE, end - at)) != 0 or time.thread_time() - began > DEAR_S:
            return False
    return True


def give_back(fd: int) -> None:
    """Let go of blocks behind the end of a file. Raises OSError."""
    os.ftruncate(fd, os.fstat(fd).st_size)


@functools.cache
def _fallocate() -> Callable[..., Any] | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    # By the C library's name for 64-bit offsets, where it has two.
    call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        call.restype = ctypes.c_int
    return call
