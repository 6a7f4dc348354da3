"""From a long table (time, series, target, covariates) to rows that are a series and an origin.

A row has the newest values up to its origin, oldest first, and the values that came after, which are its truth. Times
lie on a regular grid. What is missing there is filled within histories alone, by the value one season before (else the
newest before it), so that no season loses its shape; it is never a truth, no origin lies on it, and a history of which
more than a fifth is filled is left out. A table of rows that were asked before (a history and an origin each) is
taken as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import ColumnMissing, ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.forecasts import truths_of
from fairlead.lab.stats.measures import Floats, Ints, label_text
from fairlead.lab.stats.seasonality import season_of
from fairlead.lab.tables.cells import columns_of, names_of
from fairlead.lab.tables.steps import MONTH_S, OFF_GRID, Step, places_of, step_from, step_in
from fairlead.lab.tables.times import event_times
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN, history_of

if TYPE_CHECKING:
    import pandas as pd

MOST_FILLED = 0.2
FEWEST_KNOWN = 0.5
"""Of a series' steps that must have a value: with fewer the step is not what it is said to be."""
MOST_ELEMENTS = 1 << 25
"""Of all histories together, 256 MiB; of longer tables origins are taken at equal distances."""
SHOWN = 5
DEFAULT_LAGS, LONGEST_DEFAULT = 24, 200
LONGEST_SEASON = 1_000
"""Longer ones of the calendar (a day of seconds) would need histories that nobody sends."""


@dataclass(frozen=True)
class Geometry:
    """What the rows of a model look like. seasons: steps after which its series repeat themselves, at most `lags`."""

    lags: int
    horizon: int
    step: Step
    seasons: tuple[int, ...]
    covariates: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesRows:
    """Rows in the order of their origins, those of one origin in the order of their series.

    names: (n,) the series, or None; origins: (n,) seconds since the epoch; history: (n, lags, 1 + covariates), the
    series first; truth: (n, horizon), whole; incomplete: rows left out because their truth is not whole.
    notes: what was filled and left out, in sentences.
    """

    geometry: Geometry
    names: np.ndarray | None
    origins: Floats
    history: Floats
    truth: Floats
    incomplete: int = 0
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.origins)

    def take(self, rows: Ints) -> SeriesRows:
        """These rows alone."""
        return replace(
            self, names=None if self.names is None else self.names[rows], origins=self.origins[rows],
            history=self.history[rows], truth=self.truth[rows],
        )  # fmt: skip


@dataclass
class _Series:
    """One series on its grid. values: (length, 1 + covariates), NaN where unknown; filled: the same without gaps."""

    name: str
    places: Ints
    times: Floats
    values: Floats
    filled: Floats = field(default_factory=lambda: np.empty((0, 0)))
    origins: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def known(self) -> np.ndarray:
        """Which steps have a value of the series itself, (length,)."""
        return np.asarray(np.isfinite(self.values[:, 0]))

    def time_of(self, places: Ints) -> Floats:
        """Times of steps that are in the table."""
        return self.times[np.searchsorted(self.places, places)]


def is_asked(frame: Any) -> bool:
    """Whether the rows of a table are histories and origins already."""
    return {HISTORY, ORIGIN} <= set(names_of(frame))


def series_rows(frame: pd.DataFrame, model: ModelSettings, *, geometry: Geometry | None = None) -> SeriesRows:
    """The rows of a table that can be learned from, or judged on, whole truths alone.

    frame: long, or of rows that were asked. geometry: of a model that is there; else found, see `geometry_of`.
    Raises InputInvalid for times that occur twice or lie off the grid, for series with too few values, ColumnMissing,
    CellInvalid, ConfigInvalid.
    """
    if is_asked(frame):
        return _asked(frame, model, geometry)
    series = on_grid(frame, model, geometry.step if geometry else None)
    step = series[0][1]
    every = [one for one, _ in series]
    geometry = geometry or geometry_of(every, step, model)
    notes = fill_gaps(every, geometry)
    kept, incomplete, more = _with_origins(every, geometry)
    rows, thinned = _gathered(kept, geometry)
    found = replace(rows, incomplete=incomplete, notes=(*notes, *more, *thinned))
    return found if model.series is not None else replace(found, names=None)


def geometry_of(series: Sequence[Any], step: Step, model: ModelSettings) -> Geometry:
    """What `[model]` and the series' step say; a season that no calendar knows is found by autocorrelation."""
    seasons = tuple(season for season in step.seasons if season <= LONGEST_SEASON)
    if not seasons and (found := season_of([one.values[:, 0] for one in series])):
        seasons = (found,)
    lags = model.lags or lags_for(seasons)
    within = tuple(season for season in seasons if season <= lags)
    return Geometry(lags, model.horizon, step, within, model.covariates)


def geometry_of_signature(signature: Signature, model: ModelSettings) -> Geometry:
    """What the rows of a model look like by its signature; seasons as the calendar has them."""
    lags = history_of(signature).shape[0]
    step = Step(signature.step, months=abs(signature.step - MONTH_S) < 1.0)
    within = tuple(season for season in step.seasons if season <= lags)
    return Geometry(lags, signature.horizon, step, within, model.covariates)


def lags_for(seasons: Sequence[int]) -> int:
    """Twice the shortest season, or the longest one of at most 200 steps; a longer one once.

    >>> lags_for((24, 168)), lags_for((7,)), lags_for((12,)), lags_for((288,)), lags_for(())
    (168, 14, 24, 288, 24)
    """
    if not seasons:
        return DEFAULT_LAGS
    within = [lags for lags in (2 * seasons[0], *seasons) if lags <= LONGEST_DEFAULT]
    return max(within, default=seasons[0])


def on_grid(frame: pd.DataFrame, model: ModelSettings, step: Step | None) -> list[tuple[_Series, Step]]:
    """Every series of a long table on its grid, with the step of all. Raises as `series_rows`."""
    have = names_of(frame)
    wanted = [model.target, *model.time_columns, *((model.series,) if model.series else ()), *model.covariates]
    if absent := [name for name in wanted if name not in have]:
        raise ColumnMissing(absent, wanted)
    if not len(frame):
        raise InputInvalid("there is no row")
    times = event_times(frame, model.time_columns, model.timezone)
    numbers = tuple(Column(name, "number") for name in (model.target, *model.covariates))
    table = columns_of(frame, Signature("regression", numbers), invalid="missing")
    values = np.column_stack([table[column.name] for column in numbers])
    codes, names = _codes(frame, model.series)
    order = np.lexsort((times, codes))
    cuts = [0, *(np.flatnonzero(np.diff(codes[order])) + 1).tolist(), len(order)]
    runs = [order[a:b] for a, b in itertools.pairwise(cuts)]
    step = step or (step_from(model.every) if model.every else step_in([times[run] for run in runs]))
    return [(_placed(names[codes[run[0]]], run, times[run], values[run], step, model), step) for run in runs]


def _codes(frame: pd.DataFrame, series: str | None) -> tuple[Ints, list[str]]:
    """The number of each row's series, in the order of their names."""
    if series is None:
        return np.zeros(len(frame), dtype=np.int64), [""]
    import pandas as pd

    codes, uniques = pd.factorize(frame[series], use_na_sentinel=True)
    if (codes < 0).any():
        raise InputInvalid(f"row {int(np.argmax(codes < 0))}: column {series!r} does not say which series it is of")
    texts = [label_text(name) for name in uniques]
    ranked = sorted(set(texts))
    place = np.array([ranked.index(text) for text in texts], dtype=np.int64)
    return place[codes], ranked


def _placed(name: str, rows: Ints, times: Floats, values: Floats, step: Step, model: ModelSettings) -> _Series:
    places, off = places_of(times, step, float(times[0]))
    whose = f"series {name!r}: " if name else ""
    if (off > OFF_GRID).any():
        at = int(np.argmax(off > OFF_GRID))
        raise InputInvalid(
            f"{whose}row {rows[at]} is at {_iso(times[at])}, which is not a whole number of steps of {step.said} after "
            f"{_iso(times[0])}. Say the step with [model] every, or bring the table onto a regular grid."
        )
    twice = np.flatnonzero(np.diff(places) == 0)
    if len(twice):
        first, second = sorted((int(rows[twice[0]]), int(rows[twice[0] + 1])))
        cure = "" if model.series else " If they are of several series, name their column as [model] series."
        raise InputInvalid(
            f"{whose}rows {first} and {second} are both of {_iso(times[twice[0]])} (one of {len(twice):,} such times): "
            f"a series has one value a step.{cure}"
        )
    length = int(places[-1]) + 1
    if len(places) < FEWEST_KNOWN * length and len(places) > 1:
        raise InputInvalid(
            f"{whose}only {len(places):,} of {length:,} steps of {step.said} from {_iso(times[0])} to "
            f"{_iso(times[-1])} have a value. Is [model] every right?"
        )
    grid = np.full((length, values.shape[1]), np.nan)
    grid[places] = values
    return _Series(name, places, times, grid)


def fill_gaps(series: Sequence[_Series], geometry: Geometry) -> list[str]:
    """Fill every series, and say how much was."""
    steps = sum(len(one.values) for one in series)
    gaps = sum(int((~one.known).sum()) for one in series)
    season = geometry.seasons[0] if geometry.seasons else 0
    for one in series:
        one.filled = np.column_stack(
            [_without_gaps(column, season if at == 0 else 0) for at, column in enumerate(one.values.T)]
        )
    if not gaps:
        return []
    way = f"the value {season} steps before" if season else "the newest value before"
    return [
        f"{gaps:,} of {steps:,} values are missing; within histories {way} stands for them, and nothing is learned "
        "from them or judged by them"
    ]


def _without_gaps(values: Floats, season: int) -> Floats:
    """Gaps filled by the value one season before, else by the newest known, else by the first that comes (0: none)."""
    found = values.copy()
    known = np.flatnonzero(np.isfinite(found))
    if not len(known):
        return np.zeros(len(found))
    found[: known[0]] = found[known[0]]
    for at in np.flatnonzero(~np.isfinite(found)).tolist():
        found[at] = found[at - season] if season and at >= season else found[at - 1]
    return found


def _with_origins(series: Sequence[_Series], geometry: Geometry) -> tuple[list[_Series], int, list[str]]:
    """Series with the steps that can be origins; rows whose truth is not whole; sentences."""
    lags, horizon = geometry.lags, geometry.horizon
    short, incomplete, thin = [], 0, 0
    kept = []
    for one in series:
        known, length = one.known, len(one.values)
        if length < lags + horizon:
            short.append(one.name)
            continue
        places = np.arange(lags - 1, length - horizon)
        seen = np.concatenate([[0], np.cumsum(known)])
        whole = seen[places + horizon + 1] - seen[places + 1] == horizon
        dense = seen[places + 1] - seen[places + 1 - lags] >= (1.0 - MOST_FILLED) * lags
        here = known[places]
        incomplete += int((here & dense & ~whole).sum())
        thin += int((here & ~dense).sum())
        one.origins = places[here & dense & whole]
        kept.append(one)
    notes = []
    if short:
        named = ", ".join(repr(name) for name in short[:SHOWN]) + (", …" if len(short) > SHOWN else "")
        notes.append(
            f"{len(short):,} of {len(series):,} series have fewer than {lags + horizon} steps (lags and horizon) and "
            f"were left out: {named}"
        )
    if thin:
        notes.append(f"{thin:,} histories with more than {MOST_FILLED:.0%} of their values missing were left out")
    if not sum(len(one.origins) for one in kept):
        longest = max(len(one.values) for one in series)
        raise InputInvalid(
            f"no row can be made: a history of {lags} values and a truth of {horizon} need {lags + horizon} steps in "
            f"a row, the longest series has {longest:,}. Bring more rows, or set [model] lags or horizon lower."
        )
    return kept, incomplete, notes


def _gathered(series: Sequence[_Series], geometry: Geometry) -> tuple[SeriesRows, list[str]]:
    total = sum(len(one.origins) for one in series)
    most = max(MOST_ELEMENTS // (geometry.lags * (1 + len(geometry.covariates))), 1)
    notes, stride = [], 1
    if total > most:
        stride = _apart(-(-total // most), geometry.seasons)
        notes.append(f"of {total:,} origins every {stride}th is used, as more do not fit into memory")
    names, origins, history, truth = [], [], [], []
    for number, one in enumerate(series):
        places = one.origins[(len(one.origins) - 1) % stride :: stride]
        windows = np.lib.stride_tricks.sliding_window_view(one.filled, geometry.lags, axis=0)
        after = np.lib.stride_tricks.sliding_window_view(one.values[:, 0], geometry.horizon)
        names.append(np.full(len(places), number))
        origins.append(one.time_of(places))
        history.append(windows[places - geometry.lags + 1].transpose(0, 2, 1))
        truth.append(after[places + 1])
    numbers = np.concatenate(names)
    times = np.concatenate(origins)
    order = np.lexsort((numbers, times))
    every = np.array([one.name for one in series], dtype=object)
    found = SeriesRows(
        geometry, every[numbers[order]], times[order], np.concatenate(history)[order], np.concatenate(truth)[order]
    )
    return found, notes


def _apart(least: int, seasons: Sequence[int]) -> int:
    """At least so many steps apart, so that origins still lie everywhere in a season."""
    stride = least
    while any(np.gcd(stride, season) > 1 for season in seasons):
        stride += 1
    return stride


def _asked(frame: pd.DataFrame, model: ModelSettings, geometry: Geometry | None) -> SeriesRows:
    """Rows that are histories and origins already, with lists as truths."""
    geometry = geometry or _geometry_asked(frame, model)
    width = 1 + len(geometry.covariates)
    columns = (
        Column(HISTORY, "tensor", nullable=False, dtype="float64", shape=(geometry.lags, width)),
        Column(ORIGIN, "time", nullable=False),
    )
    found = columns_of(frame, Signature("forecasting", columns), zone=model.timezone)
    if model.target not in names_of(frame):
        raise ColumnMissing([model.target], [HISTORY, ORIGIN, model.target])
    truth = truths_of(frame[model.target], geometry.horizon)
    usable = np.isfinite(truth).all(axis=1) & np.isfinite(found[ORIGIN])
    names = None
    if model.series is not None and model.series in names_of(frame):
        names = np.array([label_text(name) for name in frame[model.series]], dtype=object)
    kept = np.flatnonzero(usable)
    if not len(kept):
        raise InputInvalid(f"no row has a whole truth, {geometry.horizon} numbers, in the column {model.target!r}")
    kept = kept[np.lexsort((kept if names is None else names[kept].astype(str), found[ORIGIN][kept]))]
    return SeriesRows(
        geometry, None if names is None else names[kept], found[ORIGIN][kept],
        found[HISTORY][kept].reshape(len(kept), geometry.lags, width), truth[kept], len(frame) - len(kept),
    )  # fmt: skip


def _geometry_asked(frame: pd.DataFrame, model: ModelSettings) -> Geometry:
    if not model.every:
        raise ConfigInvalid(
            "rows of histories do not say how far their values lie apart.", file="fairlead.toml", key="model.every",
            cure="Write it as 15m, 1h, 1d, 7d or month.",
        )  # fmt: skip
    lags = len(frame[HISTORY].iloc[0])
    step = step_from(model.every)
    return Geometry(lags, model.horizon, step, tuple(s for s in step.seasons if s <= lags), model.covariates)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


class SeriesFacts(msgspec.Struct, frozen=True):
    """What series a table holds. lengths: steps of each; missing: those without a value; lags: what fits seasons."""

    step: Step
    seasons: tuple[int, ...]
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    missing: int
    lags: int


def look_at_series(frame: pd.DataFrame, model: ModelSettings) -> SeriesFacts:
    """The series of a long table. Raises as `series_rows`."""
    placed = on_grid(frame, model, None)
    series, step = [one for one, _ in placed], placed[0][1]
    found = geometry_of(series, step, model)
    return SeriesFacts(
        step, found.seasons, tuple(one.name for one in series), tuple(len(one.values) for one in series),
        sum(int((~one.known).sum()) for one in series), found.lags,
    )  # fmt: skip
