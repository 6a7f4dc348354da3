"""Blocks of the disk for what a file will grow by, taken before it does; its size stays what it is.

Where the file system finds blocks only when it writes back, an append waits for whoever brings the file to the disk:
on ext4 both need the inode's map of blocks. With blocks at hand an append does not touch that map.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

KEEP_SIZE = 1


def reserve(fd: int, start: int, length: int) -> bool:
    """Blocks for `length` bytes from `start` on; False where the system or the disk gives none.

    Never posix_fallocate: that one changes the size, and where it is not offered writes the zeros itself.
    Source: fallocate(2), FALLOC_FL_KEEP_SIZE.
    """
    call = _fallocate()
    return call is not None and call(fd, KEEP_SIZE, start, length) == 0


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
