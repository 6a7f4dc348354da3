"""Records and labels are kept for as long as the project says, by their day of arrival."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec


class Expired(msgspec.Struct, frozen=True):
    """Days of records and of labels that were removed, over all models."""

    records: int
    labels: int


def expire(home: Path, keep_days: int, now: float) -> Expired:
    """Remove whole days that ended more than `keep_days` days before `now` (seconds since the epoch)."""
    oldest = (datetime.fromtimestamp(now, UTC) - timedelta(days=keep_days)).strftime("%Y-%m-%d")
    return Expired(_drop(Path(home) / "records", oldest), _drop(Path(home) / "labels", oldest))


def _drop(root: Path, oldest: str) -> int:
    removed = 0
    for day in sorted(root.glob("*/????-??-??")):
        if day.name < oldest:
            shutil.rmtree(day, ignore_errors=True)
            removed += 1
    return removed
