"""Rows unlike those of training, told one by one from the profile that is sealed in every bundle.

Two numbers a row. Its surprise adds up how rare each of its cells is by itself, and how far numbers lie outside of
what was seen (histogram-based outlier score; Goldstein and Dengel, KI 2012). Its distance says how far its numbers lie
from how numbers go together (squared Mahalanobis distance by the gram matrix). Neither sees what the other does: an
unseen category has no distance, two usual numbers that never met have no surprise.

What never comes back is left out: times, and tensors. With the compiled kernel `_unusual` a tick of rows costs a
fraction of a microsecond a row; numpy does the same by column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.profile import ColumnProfile, Profile
from fairlead.contract.signature import NUMERIC, Signature
from fairlead.contract.unusual import Unusual

try:
    from fairlead.runtime.bundle import _unusual
except ImportError:  # no compiler when the package was built
    _unusual = None  # type: ignore[assignment]

Floats = npt.NDArray[np.float64]
CLIP = 20.0
"""Deviations beyond which a number is as far as can be."""
BEYOND = 50.0
"""Most that lying outside of the range adds to the surprise, in standard deviations."""
HALF = 0.5
RIDGE = 0.05
"""Added to the variances: what nearly depends on the others would otherwise be all of the distance."""
AT_ONCE = 8192


class _Sealed(msgspec.Struct):
    """Of a reference what is needed here; the rest is not even read."""

    profile: Profile
    unusual: Unusual | None = None


class Number(NamedTuple):
    """A numeric column. costs: of each bin and, last, of a missing cell. place: among the numbers."""

    name: str
    place: int
    edges: Floats
    costs: Floats
    shift: float
    scale: float
    low: float
    high: float


class Text(NamedTuple):
    """A column of categories or texts."""

    name: str
    known: dict[str, float]
    other: float
    missing: float


class Strangeness:
    """How unlike training a row is, by the profile of training rows. names: of the columns that are looked at.

    apart: the rows that will be looked at are among those of the profile, and each is judged as if it were not.
    """

    def __init__(self, profile: Profile, signature: Signature, *, apart: bool = False) -> None:
        kinds = {column.name: column.kind for column in signature.columns}
        counted = [c for c in profile.columns if c.bins.kind in NUMERIC]
        kept = [c for c in profile.columns if kinds.get(c.bins.name) not in (None, "time", "tensor")]
        places = [at for at, c in enumerate(counted) if c in kept]
        self.columns: list[Number | Text] = []
        for column in kept:
            number = sum(isinstance(one, Number) for one in self.columns)
            costs = _costs([*column.counts, column.missing], column.rows, apart)
            numeric = column.bins.kind in NUMERIC
            self.columns.append(_number(column, number, costs) if numeric else _text(column, costs))
        self.names = tuple(column.name for column in self.columns)
        self.sources = tuple(signature.names.index(name) for name in self.names)
        self.mean, self._covariance = _together(profile, counted, places)
        self.precision = _inverse(self._covariance)

    def of_columns(self, columns: Mapping[str, Any]) -> tuple[Floats, Floats]:
        """Surprise and distance of many rows, (n,) each. columns: in columns form; one that is not there counts as
        nothing."""
        n = len(next(iter(columns.values()))) if columns else 0
        surprise, distance = np.zeros(n), np.zeros(n)
        precision = self._precision(columns)
        for start in range(0, n, AT_ONCE):
            part = {name: columns[name][start : start + AT_ONCE] for name in self.names if name in columns}
            parts, away = self._parts(part, min(AT_ONCE, n - start))
            surprise[start : start + AT_ONCE] = parts.sum(axis=1)
            distance[start : start + AT_ONCE] = np.einsum("ni,ij,nj->n", away, precision, away)
        return surprise, distance

    def shares(self, columns: Mapping[str, Any], limits: Unusual) -> Floats:
        """How much each column has to do with a row's being unusual: (n, columns) in the order of `names`, rows add up
        to 1 where anything does. Of the number that is further beyond its limit."""
        n = len(next(iter(columns.values()))) if columns else 0
        parts, away = self._parts({k: columns[k] for k in self.names if k in columns}, n)
        by_surprise = np.maximum(parts, 0.0)
        of_numbers = np.maximum(away * (away @ self._precision(columns)), 0.0)
        by_distance = np.zeros_like(parts)
        numbers = [at for at, column in enumerate(self.columns) if isinstance(column, Number)]
        by_distance[:, numbers] = of_numbers
        further = of_numbers.sum(axis=1) / limits.distance > parts.sum(axis=1) / limits.surprise
        chosen = np.where(further[:, None], by_distance, by_surprise)
        total = chosen.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(chosen, total, out=np.zeros_like(chosen), where=total > 0))

    def _precision(self, columns: Mapping[str, Any]) -> Floats:
        """Of the numbers that are there; of what is not there nothing is expected of the others."""
        there = [c.place for c in self.columns if isinstance(c, Number) and c.name in columns]
        if len(there) == len(self.mean):
            return self.precision
        found = np.zeros_like(self.precision)
        found[np.ix_(there, there)] = _inverse(self._covariance[np.ix_(there, there)])
        return found

    def _parts(self, columns: Mapping[str, Any], n: int) -> tuple[Floats, Floats]:
        """Surprise by column, (n, columns), and deviations of the numbers from their means, (n, numbers)."""
        parts = np.zeros((n, len(self.columns)))
        away = np.zeros((n, len(self.mean)))
        for at, column in enumerate(self.columns):
            if column.name not in columns:
                continue
            cells = columns[column.name]
            if isinstance(column, Text):
                parts[:, at] = _costs_of_texts(column, cells)
                continue
            values = np.asarray(cells, dtype=np.float64)
            absent = np.isnan(values)
            bins = np.searchsorted(column.edges, values, side="right")
            bins[absent] = len(column.edges) + 1
            z = np.where(absent, 0.0, np.clip((values - column.shift) / column.scale, -CLIP, CLIP))
            beyond = np.maximum(column.low - values, values - column.high) / column.scale
            parts[:, at] = column.costs[bins] + np.where(absent, 0.0, np.clip(beyond, 0.0, BEYOND))
            away[:, column.place] = z - self.mean[column.place]
        return parts, away

    def kernel(self, limits: Unusual) -> Any | None:
        """A plan for `find`; None where there is no kernel."""
        if _unusual is None:
            return None
        told: list[Any] = []
        for source, column in zip(self.sources, self.columns, strict=True):
            if isinstance(column, Number):
                edges, costs = column.edges.tobytes(), column.costs.tobytes()
                numbers = (column.shift, column.scale, column.low, column.high)
                told.append((source, column.place, edges, costs, *numbers, None, 0.0, 0.0))
            else:
                told.append((source, -1, b"", b"", 0.0, 1.0, 0.0, 0.0, column.known, column.other, column.missing))
        try:
            return _unusual.build(
                tuple(told), self.mean.tobytes(), np.ascontiguousarray(self.precision).tobytes(), limits.surprise,
                limits.distance,
            )  # fmt: skip
        except (ValueError, TypeError):
            return None


class Finder:
    """Which rows of a tick are unusual, for the data plane. Raises nothing: what cannot be judged is not unusual."""

    __slots__ = ("_limits", "_plan", "_strangeness", "_width")

    def __init__(self, strangeness: Strangeness, limits: Unusual) -> None:
        self._strangeness, self._limits = strangeness, limits
        self._plan = strangeness.kernel(limits)

    def find(self, rows: Sequence[Sequence[Any]]) -> list[int]:
        """Numbers of unusual rows, ascending. rows: cells in the order of the model's signature."""
        try:
            if self._plan is not None:
                return list(_unusual.find(self._plan, rows))
            return self.by_column(rows)
        except (ValueError, TypeError, IndexError):
            return []

    def by_column(self, rows: Sequence[Sequence[Any]]) -> list[int]:
        """`find` without the kernel."""
        known, columns = self._strangeness, {}
        for source, column in zip(known.sources, known.columns, strict=True):
            cells = [row[source] for row in rows]
            if isinstance(column, Number):
                columns[column.name] = np.array([_float(cell) for cell in cells])
            else:
                columns[column.name] = np.array([*cells, None], dtype=object)[:-1]
        surprise, distance = known.of_columns(columns)
        unusual = (surprise >= self._limits.surprise) | (distance >= self._limits.distance)
        return [int(at) for at in np.flatnonzero(unusual)]


def finder_of(reference: bytes, signature: Signature) -> Finder | None:
    """Of a sealed reference; None where it was sealed without limits, or nothing can be looked at."""
    if not reference:
        return None
    try:
        sealed = msgspec.json.decode(reference, type=_Sealed)
    except msgspec.MsgspecError:
        return None
    if sealed.unusual is None:
        return None
    strangeness = Strangeness(sealed.profile, signature)
    return Finder(strangeness, sealed.unusual) if strangeness.names else None


def _costs(counts: Sequence[float], rows: int, apart: bool) -> Floats:
    """-log of smoothed shares, less their mean over training rows: a usual cell costs nothing on average.

    apart: one row less in each bin.
    """
    n = np.asarray(counts, dtype=np.float64)
    costs = -np.log((n + HALF) / (rows + HALF * len(n)))
    mean = float((costs * n).sum()) / max(float(n.sum()), 1.0)
    if apart:
        costs = -np.log((np.maximum(n - 1.0, 0.0) + HALF) / (max(rows - 1, 0) + HALF * len(n)))
    return np.asarray(costs - mean)


def _number(column: ColumnProfile, place: int, costs: Floats) -> Number:
    bins = column.bins
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    return Number(bins.name, place, np.asarray(bins.edges, dtype=np.float64), costs, bins.shift, bins.scale, low, high)


def _text(column: ColumnProfile, costs: Floats) -> Text:
    told = costs.tolist()
    return Text(column.bins.name, dict(zip(column.bins.categories, told, strict=False)), told[-2], told[-1])


def _together(profile: Profile, counted: Sequence[ColumnProfile], places: Sequence[int]) -> tuple[Floats, Floats]:
    """Means of the standardised numbers and their covariance with the ridge, from sums of products."""
    rows = max(profile.rows, 1)
    mean = np.array([counted[at].z / rows for at in places])
    if len(profile.gram) != len(counted) or not places:
        variances = np.array([max(counted[at].zz / rows, 1e-9) for at in places]) - mean**2
        return mean, np.diag(np.maximum(variances, 0.0) + RIDGE) if places else np.zeros((0, 0))
    gram = np.asarray(profile.gram, dtype=np.float64)[np.ix_(places, places)] / rows
    covariance = gram - np.outer(mean, mean)
    return mean, np.asarray(covariance + RIDGE * np.eye(len(places)))


def _inverse(covariance: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(covariance, hermitian=True)) if len(covariance) else covariance


def _costs_of_texts(column: Text, cells: Any) -> Floats:
    other, missing, known = column.other, column.missing, column.known
    return np.array([missing if _absent(cell) else known.get(cell, other) for cell in cells], dtype=np.float64)


def _absent(cell: Any) -> bool:
    return cell is None or cell != cell


def _float(cell: Any) -> float:
    try:
        return float("nan") if cell is None else float(cell)
    except (TypeError, ValueError):
        return float("nan")
