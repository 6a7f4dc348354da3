"""Records and labels are kept for as long as the project says, by their day of arrival."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from fairlead.runtime.capture.collector import alone


class Expired(msgspec.Struct, frozen=True):
    """Days of records and of labels that were removed, over all models, and days that stay past their time, as
    something of them waits."""

    records: int
    labels: int
    held: int = 0


def oldest_day(keep_days: int, now: float) -> str:
    """The first day of arrival, as its folder is named, that is kept; every day before it is over."""
    return (datetime.fromtimestamp(now, UTC) - timedelta(days=keep_days)).strftime("%Y-%m-%d")


def expire(home: Path, keep_days: int, now: float, waits: Callable[[Path], bool] = lambda _path: False) -> Expired:
    """Remove whole days that ended more than `keep_days` days before `now` (seconds since the epoch).

    waits: whether a file has yet to be sent somewhere; a day that holds one stays whole. No collector runs meanwhile.
    Raises Busy when one did for a minute.
    """
    home, oldest = Path(home), oldest_day(keep_days, now)
    days = {kind: _over(home / kind, oldest) for kind in ("records", "labels")}
    if not any(days.values()):
        return Expired(0, 0)
    with alone(home):
        gone = {kind: sum(_drop(day, waits) for day in found) for kind, found in days.items()}
    return Expired(gone["records"], gone["labels"], sum(map(len, days.values())) - sum(gone.values()))


def _over(root: Path, oldest: str) -> list[Path]:
    return [day for day in sorted(root.glob("*/????-??-??")) if day.name < oldest]


def _drop(day: Path, waits: Callable[[Path], bool]) -> bool:
    if any(waits(path) for path in sorted(day.rglob("*.parquet")) if not path.name.startswith(".")):
        return False
    shutil.rmtree(day, ignore_errors=True)
    return True
