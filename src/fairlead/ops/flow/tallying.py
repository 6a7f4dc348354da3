"""What the records of one stage of a rollout tell of each variant, counted as they come: none is read twice.

A rollout is looked at every second, and its stage may hold millions of records, so what was read is kept as counts:
callers, latencies in fine cells, decisions.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from fairlead.contract import records as names
from fairlead.ops.flow.rolling import Stage
from fairlead.ops.flow.workspace import Workspace

EDGES = np.concatenate([[0.0], np.geomspace(1e-5, 1e3, 931), [np.inf]])
"""Ends of the cells of latencies, in seconds: each 2 % above the one before."""
MOST_UNITS = 200_000
"""Callers that are known apart in a stage, of all variants: far more than a broken split needs to be seen."""
MOST_ROWS = 500_000
"""Read at once, so that a watcher that starts anew in a long stage keeps its memory."""
SETTLED_S = 10.0
"""Seconds after the newest request in which its record is waited for."""


class Side:
    """Of one variant. units: callers (or requests, where callers keep nothing); slow: requests by cell of `EDGES`;
    decided: how the first row of each caller was decided, as the later ones of a caller are no further evidence."""

    __slots__ = ("decided", "slow", "units")

    def __init__(self) -> None:
        self.units = 0
        self.slow = np.zeros(len(EDGES) - 1, dtype=np.int64)
        self.decided: Counter[str] = Counter()


class Tally:
    """The stage that began at `since` (seconds since the epoch), by bundle. unit: the column that assigns."""

    def __init__(self, since: float, unit: str) -> None:
        self.since, self.unit = since, unit
        self._sides: dict[str, Side] = {}
        self._seen: set[int] = set()
        self._whole = True
        self._cursor, self._asked, self._asked_at = "", -1, 0.0

    def of(self, bundle: str) -> Side:
        """What is known of a variant."""
        return self._sides.get(bundle) or Side()

    def follow(self, ws: Workspace, asked: int | None = None) -> Tally:
        """With what was collected since. asked: requests that were counted so far, where they did not grow lately
        nothing is read; None: read."""
        from fairlead.runtime.capture import Records

        now = time.monotonic()
        if asked is not None:
            if asked != self._asked:
                self._asked, self._asked_at = asked, now
            elif now - self._asked_at > SETTLED_S:
                return self
        wanted = [names.BUNDLE, names.REQUEST, names.LATENCY, names.LABEL_OUT, self.unit]
        records = Records(ws.home.root, ws.model)
        while True:
            table, cursor = records.arrived(self._cursor, self.since, wanted, MOST_ROWS)
            if cursor == self._cursor:
                return self
            self._cursor = cursor
            if table.num_rows:
                self._add(table)

    def _add(self, table: Any) -> None:
        import pyarrow.compute as pc

        requests = table.column(names.REQUEST).cast("string")
        unit = self.unit if self.unit in table.schema.names else names.REQUEST
        # A row without the column that assigns was assigned by its request.
        units = pc.coalesce(table.column(unit).cast("string"), requests).to_pylist()
        bundles = table.column(names.BUNDLE).cast("string").to_pylist()
        decided = table.column(names.LABEL_OUT).to_pylist() if names.LABEL_OUT in table.schema.names else None
        for at, (bundle, one) in enumerate(zip(bundles, units, strict=True)):
            mark = hash((bundle, one))
            if mark in self._seen:
                continue
            if len(self._seen) >= MOST_UNITS:
                # Who comes again is counted anew from here on, but no longer for the split: that has to be of callers.
                self._seen.clear()
                self._whole = False
            self._seen.add(mark)
            side = self._sides.setdefault(bundle, Side())
            side.units += self._whole
            if decided is not None and decided[at] is not None:
                side.decided[str(decided[at])] += 1
        if names.LATENCY not in table.schema.names:
            return
        slowest = table.group_by([names.BUNDLE, names.REQUEST]).aggregate([(names.LATENCY, "max")])
        seconds = slowest.column(f"{names.LATENCY}_max").to_numpy().astype(np.float64)
        cells = np.clip(np.searchsorted(EDGES, seconds, side="left") - 1, 0, len(EDGES) - 2)
        answered = np.array(slowest.column(names.BUNDLE).cast("string").to_pylist(), dtype=object)
        for bundle in set(answered.tolist()):
            side = self._sides.setdefault(bundle, Side())
            side.slow += np.bincount(cells[answered == bundle], minlength=len(EDGES) - 1)


def tally_of(ws: Workspace, stage: Stage, unit: str) -> Tally:
    """Of the stage that lasts; remembered while the process lives."""
    known = _known(ws)
    key = (stage.since, unit)
    if key not in known:
        known.clear()
        known[key] = Tally(stage.since, unit)
    return known[key]


@lru_cache(maxsize=4)
def _known(ws: Workspace) -> dict[tuple[float, str], Tally]:
    return {}
