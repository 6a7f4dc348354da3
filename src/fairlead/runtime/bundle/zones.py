"""Wall times as instants, read as `lab/tables` reads whole columns: here one at a time, without pyarrow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from fairlead.contract.errors import UsageError

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name. UTC needs no zone database. Raises UsageError for a name not known here."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise UsageError(
            f"time zone {name[:80]!r} is not known on this machine. If its name is right, install tzdata."
        ) from None


def instant(moment: datetime, zone: tzinfo) -> float:
    """Seconds since the epoch of a moment; one that carries no zone is a wall time in `zone`.

    Of a wall time that occurs twice the first is meant; one that is skipped counts as the end of the gap.
    Raises OverflowError for moments outside the years 1 to 9999.

    >>> instant(datetime(2024, 10, 27, 2, 30), zone_of("Europe/Berlin"))
    1729989000.0
    """
    if moment.tzinfo is not None or zone is UTC:
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    local = moment.replace(tzinfo=zone, fold=0)
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None or after <= before:
        return local.timestamp()
    return _gap_end(moment.replace(tzinfo=UTC), zone, before, after).timestamp()


def _gap_end(wall: datetime, zone: tzinfo, before: timedelta, after: timedelta) -> datetime:
    """The first instant with the later offset: it lies between the two readings of the skipped wall time."""
    low, high = (wall - after).replace(microsecond=0), (wall - before).replace(microsecond=0) + _SECOND
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0) if middle.replace(microsecond=0) > low else low + _SECOND
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high
