"""What `init` finds for a forecast: the series, their step and season, how far to look back and ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import InputInvalid, UsageError
from fairlead.contract.settings import ModelSettings

if TYPE_CHECKING:
    from fairlead.lab.tables import Schema
    from fairlead.lab.tables.schema import ColumnFacts
    from fairlead.lab.tables.series import SeriesFacts

CURE = "Say which column names the series with --series."
DAY_S = 86_400.0


class Ahead(msgspec.Struct, frozen=True):
    """What a project file says of a forecast: settings of [model] with their reasons, the unit of windows, and how
    long after its last step a truth is known. told: what a person should know; named: columns that play a part.
    """

    settings: tuple[tuple[str, Any, str], ...]
    window: str
    label_delay: str
    told: tuple[str, ...]
    covariates: tuple[str, ...]
    series: str | None
    named: tuple[str, ...]


def look_ahead(
    table: Any, schema: Schema, target: str, *, series: str | None, horizon: int, every: str
) -> tuple[Ahead, Schema]:
    """What the table says, and its schema as a forecast sees it. horizon: 0, every: empty: as found.

    Raises UsageError where the table has no time, no numbers to forecast, or no series on a regular grid.
    """
    if not schema.time:
        raise UsageError("a forecast goes by time, and no column says when a value was. Name it with --time.")
    if schema.column(target).kind not in {"number", "integer"} and schema.column(target).coded != "integer":
        raise UsageError(
            f"column {target!r} holds no numbers; anything else cannot be forecast. Name another --target."
        )
    if series is not None and series not in schema.names:
        raise UsageError(f"--series: the table has no column {series!r}. It has: {', '.join(schema.names)}.")
    frame = table.frame()
    series = series or _series_in(frame, schema, target)
    facts = _facts(frame, schema, target, series, every)
    shortest = min(facts.lengths)
    # What comes: a season of it, unless the series are too short to learn that.
    asked = horizon or max(1, min(facts.seasons[0] if facts.seasons else 7, max(facts.lengths) // 5))
    settings: list[tuple[str, Any, str]] = []
    if series is not None:
        settings.append(("series", series, f"{len(facts.names):,} series; passed through"))
    settings += [
        ("horizon", asked, "values ahead" if horizon else _season_said(asked, facts)),
        ("every", facts.step.said, "from one value to the next"),
        ("lags", facts.lags, f"newest values that an answer goes by{_seasons_said(facts)}"),
    ]
    usable = [c for c in schema.columns if _numeric(c) and c.role in ("feature", "leak") and c.kind != "category"]
    usable.sort(key=lambda c: c.kind != "number")
    others = [c.name for c in usable if c.name not in (target, series, *schema.time)]
    told = _told(facts, asked, shortest)
    ahead = Ahead(
        tuple(settings), _window(facts.step.seconds), "1d" if facts.step.seconds <= DAY_S else "7d", tuple(told),
        tuple(others), series, (target, *schema.time),
    )  # fmt: skip
    return ahead, _as_seen(schema, target, series)


def _numeric(column: ColumnFacts) -> bool:
    return column.kind in ("number", "integer") or column.coded == "integer"


def _series_in(frame: Any, schema: Schema, target: str) -> str | None:
    """The column that tells rows of one time apart; None where no two rows are of one time."""
    keys = list(schema.time)
    if not frame.duplicated(keys).any():
        return None
    for column in schema.columns:
        named = column.kind in ("category", "text") or column.role in ("key", "id")
        if named and column.name not in (target, *keys) and not frame.duplicated([*keys, column.name]).any():
            return column.name
    raise UsageError(f"several rows are of the same time, and no column tells their series apart. {CURE}")


def _facts(frame: Any, schema: Schema, target: str, series: str | None, every: str) -> SeriesFacts:
    from fairlead.lab.tables.series import look_at_series

    time: Any = schema.time if len(schema.time) > 1 else schema.time[0]
    model = ModelSettings(name="x", task="forecasting", target=target, time=time, series=series, horizon=1, every=every)
    try:
        return look_at_series(frame, model)
    except InputInvalid as error:
        raise UsageError(str(error)) from None


def _season_said(horizon: int, facts: SeriesFacts) -> str:
    return "a season" if facts.seasons and horizon == facts.seasons[0] else "values ahead, as many as can be learned"


def _seasons_said(facts: SeriesFacts) -> str:
    if not facts.seasons:
        return "; no season was found"
    return f"; seasons of {' and '.join(f'{season:,}' for season in facts.seasons)} steps"


def _told(facts: SeriesFacts, horizon: int, shortest: int) -> list[str]:
    told = []
    if facts.missing:
        told.append(
            f"{facts.missing:,} of {sum(facts.lengths):,} steps have no value: histories take the value one season "
            "before in their place, and nothing is learned from them."
        )
    need = facts.lags + horizon
    if shortest < need:
        short = sum(length < need for length in facts.lengths)
        told.append(f"{short:,} of {len(facts.lengths):,} series are shorter than lags and horizon together ({need}).")
    return told


def _window(step: float) -> str:
    return "7d" if step <= DAY_S else "56d" if step <= 7 * DAY_S else "365d"


def _as_seen(schema: Schema, target: str, series: str | None) -> Schema:
    """Without keys, leaks and codes: what was at the same time is never looked at, whatever it gives away."""

    def seen(column: ColumnFacts) -> ColumnFacts:
        if column.name in (target, *schema.time):
            return column
        why = "as given: names the series" if column.name == series else "its past may help: see model.covariates"
        return msgspec.structs.replace(column, role="feature", why=why if _numeric(column) or column.name == series
                                       else "not used by a forecast", coded="text")  # fmt: skip

    why = {**schema.why, "task": "as given"}
    columns = tuple(seen(column) for column in schema.columns)
    return msgspec.structs.replace(schema, columns=columns, key=None, leaks=(), ids=(), warnings=(), why=why, task=None)
