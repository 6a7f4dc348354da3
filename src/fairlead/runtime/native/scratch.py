"""A folder of its own for the process of a native model, which goes with its owner, or at the next start if that was
killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_MAKING, _HELD = ".fairlead-native-", "fairlead-native-of-"
_MOST = 64
"""Folders of the dead that one start removes: it is not to wait for more."""


class Scratch:
    """`path` exists until `close`. A lock on the folder, which the kernel lets go when the last process that has it
    ends, says that it is in use; a fork has it as well, so a folder outlives its maker as long as forks of it live.
    """

    def __init__(self) -> None:
        sweep()
        made = tempfile.mkdtemp(prefix=_MAKING)
        self.path, self._descriptor = made, os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        # Some file systems of networks know no locks: there it keeps a name that nobody sweeps.
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Known by this name once it is locked: who sweeps never sees one that is about to be.
            held = os.path.join(os.path.dirname(made), _HELD + os.path.basename(made).removeprefix(_MAKING))
            os.rename(made, held)
            self.path = held

    def empty(self) -> None:
        """Remove what is in it."""
        for left in os.scandir(self.path):
            if left.is_dir(follow_symlinks=False):
                shutil.rmtree(left.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(left.path)

    def close(self, *, remove: bool = True) -> None:
        """Let go of it. remove: not by a fork, to whom it does not belong."""
        if self._descriptor < 0:
            return
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)
        self._descriptor = -1


def sweep() -> None:
    """Remove folders of this user whose owners were killed; never one that is locked."""
    gone = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_HELD}*"):
        if gone == _MOST:
            return
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
                    gone += 1
            finally:
                os.close(descriptor)
