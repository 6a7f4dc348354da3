"""A home held still for the time of a backup, while everything goes on.

Files of a home are replaced by renaming or grow at their end, so an open file and its size at that moment are its
content. What must agree is taken in an order in which it does: the head of the audit log before the state, as it may
vouch for less, never for more; the state before bundles and tables, which it names; spool, records and labels as
hard links that are made while the collector, which moves rows between them, waits.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fairlead.contract.errors import StateError
from fairlead.ops.keep.epochs import FILE, FOLLOWING
from fairlead.ops.state import FileLock, State

HEAD = "audit.head"
STATE = "state.db"
MLFLOW = "mlflow.db"
HELD = "backup"
MOVED = ("spool", "records", "labels")
_OURS = {"run", "keys", FILE, FOLLOWING, HEAD, *MOVED}
_COLLECTOR_S = 60.0


class Still:
    """Files by their paths in the home: where each can be read, and how many bytes of it count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, tuple[Path, os.stat_result]] = {}

    def link(self, root: Path, path: str) -> None:
        """Hold one file; nothing happens if it is gone."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        source = root / path
        try:
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    return
                shutil.copy2(source, target)  # of another file system
            self.files[path] = (target, target.stat())
        except FileNotFoundError:
            return

    def leave(self, root: Path, path: str) -> None:
        """Count one file where it is: it is replaced whole, and a bundle's is refused while it is linked elsewhere."""
        try:
            self.files[path] = (root / path, (root / path).stat())
        except FileNotFoundError:
            return

    def add(self, path: str, file: Path) -> None:
        """Hold a file that was made for it."""
        self.files[path] = (file, file.stat())


@contextmanager
def held_still(root: Path, state: State) -> Iterator[Still]:
    """Everything of a home but its keys and what belongs to live processes."""
    folder = root / "run" / HELD
    # One that was killed leaves links behind.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    still = Still(folder)
    try:
        if (root / HEAD).exists():
            still.link(root, HEAD)
        made = folder / ".made"
        made.mkdir()
        state.copy_to(made / STATE)
        still.add(STATE, made / STATE)
        _hold_moved(root, still)
        for path in _paths(root):
            still.leave(root, path)
        if (root / MLFLOW).exists():
            _copy_database(root / MLFLOW, made / MLFLOW)
            still.add(MLFLOW, made / MLFLOW)
        yield still
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hold_moved(root: Path, still: Still) -> None:
    lock = FileLock(root / "run" / "collect.lock")
    if not lock.take(_COLLECTOR_S):
        raise StateError("the collector is at work for over a minute: is it stuck? Nothing was backed up")
    try:
        for name in MOVED:
            for path in _below(root, name):
                still.link(root, path)
    finally:
        lock.release()


def _paths(root: Path) -> Iterator[str]:
    """Files of the home that need no particular moment."""
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.name in _OURS or entry.name.startswith((STATE, MLFLOW)) or _passing(entry.name):
            continue
        if entry.is_dir():
            yield from _below(root, entry.name)
        elif entry.is_file():
            yield entry.name


def _below(root: Path, inner: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(root / inner), key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = f"{inner}/{entry.name}"
        if _passing(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(root, path)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _passing(name: str) -> bool:
    """What is being written, or a lock."""
    return name.endswith((".lock", ".tmp", "-wal", "-shm")) or (name.startswith(".") and name != ".gitignore")


def _copy_database(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source, timeout=30.0)) as one, closing(sqlite3.connect(target)) as copy:
            one.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StateError(f"{source.name} cannot be copied: {error}") from error
