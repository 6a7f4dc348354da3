"""What a report says of forecasts beside their metrics. Plain data."""

from __future__ import annotations

import msgspec

from fairlead.contract.evidence import Interval


class StepError(msgspec.Struct, frozen=True):
    """step: how many values ahead. error: mean absolute error of the model; naive: of the best seasonal repetition."""

    step: int
    error: Interval
    naive: float


class SeriesError(msgspec.Struct, frozen=True):
    """Of one series: origins judged, mean absolute error, and that as a share of its change from season to season."""

    name: str
    origins: int
    mae: float
    mase: float | None


class Shown(msgspec.Struct, frozen=True):
    """A stretch of one series that ends with the newest rows: times of values, what came, and what was said.

    starts: places at which a new forecast begins; each runs to the next.
    """

    series: str
    times: tuple[float, ...]
    truth: tuple[float, ...]
    forecast: tuple[float, ...]
    starts: tuple[int, ...]


class Forecasts(msgspec.Struct, frozen=True):
    """every: the step as settings have it. season: steps by which the best naive forecast looks back.

    steps: error by step; worst: at most ten series by their scaled error, none where there is one series alone.
    """

    horizon: int
    every: str
    season: int
    origins: int
    series: int
    steps: tuple[StepError, ...]
    shown: Shown
    worst: tuple[SeriesError, ...] = ()
