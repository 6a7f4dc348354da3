"""Business values of a rollout, with how likely each row was to meet the variant that answered it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fairlead.contract import records as names
from fairlead.ops.flow.rolling import Stage
from fairlead.ops.flow.workspace import Workspace


class Values(NamedTuple):
    """Of rows whose value is known, one a unit of assignment, in the order of looks: value, which of `versions`
    answered, how likely each was to (n, k), and the stage it belongs to."""

    values: np.ndarray
    arms: np.ndarray
    shares: np.ndarray
    stages: np.ndarray


def values_of(
    ws: Workspace,
    bundles: Sequence[str],
    versions: Sequence[int],
    stages: Sequence[Stage],
    looks: Sequence[tuple[float, float]],
    unit: str,
    redrawn: bool,
) -> Values:
    """The values of a rollout so far. bundles, versions: champion first. unit: the column that assigns.

    A unit counts once, by its first row that has a value: who meets its second row was settled with its first.
    redrawn: every stage draws anew, so it counts once a stage. Rows of no stage, as shares were changing, are left out.
    """
    parts = [_between(ws, start, end, unit) for start, end in looks]
    told = [part for part in parts if part is not None]
    k = len(bundles)
    if not told or not stages:
        return Values(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros((0, k)), np.zeros(0, dtype=np.int64))
    values, arrived, answered, units = (np.concatenate([part[at] for part in told]) for at in range(4))
    place = {bundle: at for at, bundle in enumerate(bundles)}
    arms = np.array([place.get(one, -1) for one in answered], dtype=np.int64)
    stage = _stage_of(arrived, stages)
    table = np.array([[one.weights.get(str(version), 0.0) for version in versions] for one in stages])
    shares = table[np.maximum(stage, 0)]
    kept = (arms >= 0) & (stage >= 0) & (shares[np.arange(len(arms)), np.maximum(arms, 0)] > 0)
    # With the stages in which not all of today's variants took part nothing can be said of those that did not.
    kept &= (shares > 0).all(axis=1)
    key = [(unit_, int(s) if redrawn else 0) for unit_, s in zip(units, stage, strict=True)]
    seen: set[object] = set()
    for at in range(len(key)):
        if not kept[at]:
            continue
        kept[at] = key[at] not in seen
        seen.add(key[at])
    return Values(values[kept], arms[kept], shares[kept], stage[kept])


def _stage_of(arrived: np.ndarray, stages: Sequence[Stage]) -> np.ndarray:
    """The stage each moment lies in, -1 between them."""
    starts = np.array([one.since for one in stages])
    ends = np.array([one.until or np.inf for one in stages])
    at = np.searchsorted(starts, arrived, side="right") - 1
    inside = (at >= 0) & (arrived < ends[np.maximum(at, 0)])
    found: np.ndarray = np.where(inside, at, -1)
    return found


def _between(ws: Workspace, start: float, end: float, unit: str) -> tuple[np.ndarray, ...] | None:
    """Value, arrival, bundle and unit of rows with a value; remembered while the process lives."""
    cache = _known(ws)
    key = (start, end, unit)
    if key not in cache:
        if len(cache) > 512:
            cache.clear()
        cache[key] = _read(ws, start, end, unit)
    return cache[key]


@lru_cache(maxsize=4)
def _known(ws: Workspace) -> dict[tuple[float, float, str], tuple[np.ndarray, ...] | None]:
    return {}


def _read(ws: Workspace, start: float, end: float, unit: str) -> tuple[np.ndarray, ...] | None:
    import pyarrow.compute as pc

    from fairlead.runtime.capture import Records

    table = Records(ws.home.root, ws.model).joined(start, end, tensors=False)
    if not table.num_rows:
        return None
    table = table.filter(pc.is_valid(table.column(names.VALUE)))
    if not table.num_rows:
        return None
    counted = unit if unit in table.schema.names else names.REQUEST
    # A row without the column that assigns was assigned by its request.
    units = pc.coalesce(table.column(counted).cast("string"), table.column(names.REQUEST).cast("string"))
    order = np.argsort(table.column(names.ARRIVED).to_numpy(), kind="stable")
    columns = (
        table.column(names.VALUE).to_numpy().astype(np.float64),
        table.column(names.ARRIVED).to_numpy(),
        np.array(table.column(names.BUNDLE).to_pylist(), dtype=object),
        np.array(units.to_pylist(), dtype=object),
    )
    return tuple(column[order] for column in columns)
