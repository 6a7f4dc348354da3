"""Point-in-time joins: to each row what was known at its time, and nothing of later.

A feature table says what held from a moment on: a balance after each booking, a segment after each review. Joined by
key alone, a training row gets values of its own future: the model looks brilliant and fails in production. Here each
row gets the newest feature row of its key that is not newer than the row itself.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from fairlead.contract.errors import CellInvalid, ColumnMissing, UsageError
from fairlead.lab.tables.cells import arrow_column
from fairlead.lab.tables.parsing import family, plain
from fairlead.lab.tables.times import event_times

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_OFFSET = r"[0-9]:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?\s*(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"


def as_of_join(
    rows: pd.DataFrame,
    features: pd.DataFrame,
    *,
    by: str | Sequence[str] = (),
    at: str,
    feature_at: str | None = None,
    within: str | float | datetime.timedelta | None = None,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    exact: bool = True,
    zone: str | None = None,
) -> pd.DataFrame:
    """`rows` with the columns of the newest feature row of the same key that was there at each row's time.

    by: columns that both tables share; none: one history for all rows. at: event time in `rows`; feature_at: in
    `features`, from when its row was **known** (the same name if not given). A value that was measured on Monday and
    arrived on Wednesday was not known on Tuesday: give its arrival.
    within: the oldest that a value may be, as "7d", seconds or a timedelta; older ones are missing.
    columns: what to bring, or {its name: name here}; all but keys and time if not given.
    exact: False asks for strictly earlier feature rows, where those of the same moment may hold the outcome.
    zone: of times that carry none; needed where only some of the times carry one.

    Rows keep their order, number and index. Tables need not be sorted. Of feature rows of one key and moment the last
    in the table counts. Missing keys match nothing. Times are compared to the microsecond.
    Raises ColumnMissing, CellInvalid (a row without a time), UsageError.

    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer": [1, 1], "at": ["2026-01-05", "2026-01-20"]})
    >>> scores = pd.DataFrame({"customer": [1, 1], "at": ["2026-01-01", "2026-01-10"], "score": [0.2, 0.9]})
    >>> as_of_join(orders, scores, by="customer", at="at")["score"].tolist()
    [0.2, 0.9]
    """
    for table, name in ((rows, "rows"), (features, "features")):
        if not hasattr(table, "iloc") or not hasattr(table, "columns"):
            raise UsageError(f"as_of_join: {name} must be a DataFrame, found {type(table).__name__}.")
    keys = (by,) if isinstance(by, str) else tuple(by)
    moment = feature_at or at
    _need(rows, (*keys, at), "rows")
    _need(features, (*keys, moment), "features")
    brought = _brought(rows, features, keys, moment, columns)
    _need(features, tuple(brought), "features")
    row_times, feature_times = _times(rows[at], features[moment], zone)
    row_codes, feature_codes = _codes(rows, features, keys)
    limit = None if within is None else _seconds(within)
    found = _newest(row_codes, row_times, feature_codes, feature_times, exact, limit)
    taken = features[list(brought)].reset_index(drop=True).reindex(found).set_axis(rows.index)
    joined = rows.copy()
    for name, here in brought.items():
        joined[here] = taken[name]
    return joined


def _newest(
    row_codes: Ints, row_times: Floats, feature_codes: Ints, feature_times: Floats, exact: bool, within: float | None
) -> Ints:
    """Position of the feature row of each row, -1 for none. Codes below 0 match nothing."""
    kept = np.flatnonzero(feature_codes >= 0)
    moments, ranks = np.unique(np.concatenate([feature_times[kept], row_times]), return_inverse=True)
    span = len(moments) + 1
    places = feature_codes[kept] * span + ranks[: len(kept)]
    # Stable, so that of one key and moment the table's last row is the last one here.
    order = np.argsort(places, kind="stable")
    kept, places = kept[order], places[order]
    wanted = row_codes * span + ranks[len(kept) :]
    last = np.searchsorted(places, wanted, side="right" if exact else "left") - 1
    found = np.full(len(row_times), -1, dtype=np.int64)
    some = np.flatnonzero((last >= 0) & (row_codes >= 0))
    same = some[feature_codes[kept[last[some]]] == row_codes[some]]
    found[same] = kept[last[same]]
    if within is not None:
        there = np.flatnonzero(found >= 0)
        old = there[row_times[there] - feature_times[found[there]] > within]
        found[old] = -1
    return found


def _brought(
    rows: pd.DataFrame,
    features: pd.DataFrame,
    keys: tuple[str, ...],
    moment: str,
    columns: Sequence[str] | Mapping[str, str] | None,
) -> dict[str, str]:
    if columns is None:
        wanted = {str(n): str(n) for n in features.columns if n not in keys and n != moment}
    elif isinstance(columns, str):
        wanted = {columns: columns}
    else:
        wanted = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    if not wanted:
        raise UsageError("as_of_join: no column is left to bring; name them with columns=.")
    there = [here for here in wanted.values() if here in rows.columns]
    if there:
        cure = "Give new names with columns={name: name here}."
        raise UsageError(f"as_of_join: rows have columns of these names already: {', '.join(there)}. {cure}")
    if len(set(wanted.values())) < len(wanted):
        raise UsageError("as_of_join: two columns would get the same name.")
    return wanted


def _need(table: pd.DataFrame, names: Sequence[str], which: str) -> None:
    have = [str(name) for name in table.columns]
    absent = [name for name in dict.fromkeys(names) if name not in have]
    if absent:
        raise ColumnMissing([f"{name} (of the {which})" for name in absent], have)
    twice = sorted({name for name in names if have.count(name) > 1})
    if twice:
        raise UsageError(f"as_of_join: the {which} have columns twice: {', '.join(twice)}.")


def _times(rows: pd.Series, features: pd.Series, zone: str | None) -> tuple[Floats, Floats]:
    """Seconds of both, on one clock."""
    import pandas as pd

    if zone is None:
        carried = _zones(rows) | _zones(features)
        if len(carried) > 1:
            raise UsageError("as_of_join: some times carry a time zone and some do not: say with zone= which is meant.")
    else:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(f"as_of_join: unknown zone {zone!r}. Write it as Europe/Paris, or UTC.") from None
    found = []
    for times, which in ((rows, "rows"), (features, "features")):
        try:
            found.append(event_times(pd.DataFrame({"at": times}), "at", zone or "UTC"))
        except CellInvalid as error:
            raise CellInvalid(error.row, f"{times.name} (of the {which})", error.found, error.allowed) from None
    return found[0], found[1]


def _zones(times: pd.Series) -> set[bool]:
    """Whether the times of a column carry a zone; both where they differ. Numbers are seconds since the epoch."""
    array = plain(arrow_column(times))
    kind = family(array.type)
    if kind == "time":
        return {getattr(array.type, "tz", None) is not None}
    if kind != "text":
        return {True} if len(array) and array.null_count < len(array) else set()
    told = pc.match_substring_regex(array.drop_null(), _OFFSET)
    return {bool(flag) for flag in pc.unique(told).to_pylist()}


def _codes(rows: pd.DataFrame, features: pd.DataFrame, keys: tuple[str, ...]) -> tuple[Ints, Ints]:
    """A number for each key, the same in both tables; -1 where a part of it is missing."""
    import pandas as pd

    many = len(rows)
    codes = np.zeros(many + len(features), dtype=np.int64)
    for key in keys:
        _alike(rows[key], features[key], key)
        values = pd.concat([rows[key], features[key]], ignore_index=True)
        found, levels = pd.factorize(values, use_na_sentinel=True)
        missing = (found < 0) | (codes < 0)
        _, dense = np.unique(codes * (len(levels) + 1) + found, return_inverse=True)
        codes = np.where(missing, -1, dense)
    return codes[:many], codes[many:]


def _alike(mine: pd.Series, other: pd.Series, key: str) -> None:
    kinds = []
    for values in (mine, other):
        kind = family(plain(arrow_column(values.dropna())).type)
        kinds.append("numbers" if kind in {"integer", "number"} else kind)
    if len(mine.dropna()) and len(other.dropna()) and kinds[0] != kinds[1]:
        cure = "Bring them to one kind, or no key will match."
        raise UsageError(f"as_of_join: key {key!r} holds {kinds[0]} in rows and {kinds[1]} in features. {cure}")


def _seconds(within: str | float | datetime.timedelta) -> float:
    if isinstance(within, datetime.timedelta):
        span = within.total_seconds()
    elif isinstance(within, str):
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", within.strip())
        if not found:
            raise UsageError(
                f"as_of_join: within={within!r} is no span of time; write it as 7d, 24h, 15m or in seconds."
            )
        span = float(found[1]) * _UNITS[found[2]]
    else:
        span = float(within)
    if not span >= 0:
        raise UsageError("as_of_join: within must not be negative: nothing of later is ever joined.")
    return span
