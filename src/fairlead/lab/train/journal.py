"""What a search has found so far, on disk, so that a killed search goes on where it was.

One JSON line a trial. Every choice of a search is a function of seed and of the scores before,
so a search that is run again asks for the same trials in the same order; those found here are
answered without a fit, and the outcome is that of a search that was never interrupted.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "trials.jsonl"
KEPT_SEARCHES = 20


class Journal:
    """Trials of one search. folder: None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self._found: dict[str, tuple[list[float], float]] = {}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._whole = 0
        if self._path.exists():
            self._read(self._path.read_bytes())
            # A torn last line is cut off, or the next one would be glued to it.
            os.truncate(self._path, self._whole)
        os.utime(self._path.parent)
        _prune(self._path.parent)

    def _read(self, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            try:
                entry = json.loads(line) if line.endswith(b"\n") else {}
                self._found[entry["trial"]] = ([float(s) for s in entry["scores"]], float(entry["seconds"]))
            except (ValueError, TypeError, KeyError):
                return
            self._whole += len(line)

    @property
    def empty(self) -> bool:
        """Whether nothing was found so far."""
        return not self._found

    def find(self, learner: str, parameters: Mapping[str, Any]) -> tuple[list[float], float] | None:
        """Fold scores and seconds of a trial made before, else None."""
        return self._found.get(_key(learner, parameters))

    def add(self, learner: str, parameters: Mapping[str, Any], scores: list[float], seconds: float) -> None:
        """Remember a finished trial."""
        key = _key(learner, parameters)
        self._found[key] = (scores, seconds)
        if self._path is None:
            return
        line = json.dumps({"trial": key, "scores": scores, "seconds": seconds}).encode() + b"\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def _key(learner: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([learner, dict(parameters)], sort_keys=True)


def _prune(folder: Path) -> None:
    searches = sorted((p for p in folder.parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in searches[:-KEPT_SEARCHES]:
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
