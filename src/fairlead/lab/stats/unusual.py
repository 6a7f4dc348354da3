"""From where on a row counts as unlike those of training: limits that one of a thousand training rows reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.profile import Profile
from fairlead.contract.signature import Signature
from fairlead.contract.unusual import Unusual
from fairlead.lab.stats.tensors import with_histories
from fairlead.runtime.bundle.unusual import Strangeness

SHARE = 1e-3
"""Of training rows that are to count as unusual: half by surprise, half by distance."""
TAIL = 0.02
FEWEST = 100
ENOUGH = 10
"""Rows beyond a limit from which they say by themselves where it is."""
MOST_BLOCKS = 400
BLOCK_ROWS = 500


def unusual_limits(columns: Mapping[str, Any], signature: Signature, profile: Profile) -> Unusual | None:
    """Limits for the rows of a reference; None with fewer than 100 of them or no column that can be looked at.

    columns: those rows, in columns form and in their order, which `profile` counts. Where fewer rows lie beyond than
    can say, the tail of the largest fiftieth is gone on with as an exponential one, and the larger limit holds.
    """
    columns = with_histories(columns, signature)
    strangeness = Strangeness(profile, signature, apart=True)
    rows = profile.rows
    if not strangeness.names or rows < FEWEST:
        return None
    surprise, distance = strangeness.of_columns({n: columns[n] for n in strangeness.names})
    limits = limit_of(surprise, SHARE / 2), limit_of(distance, SHARE / 2)
    unusual = (surprise >= limits[0]) | (distance >= limits[1])
    return Unusual(limits[0], limits[1], SHARE, rows, _blocks(unusual))


def limit_of(values: np.ndarray, share: float) -> float:
    """The value that `share` of rows like these reach. values: (rows,)."""
    start = float(np.quantile(values, 1.0 - TAIL))
    excess = values[values > start] - start
    gone_on = start + (float(excess.mean()) if excess.size else 0.0) * np.log(TAIL / share)
    # A value that many rows share is not reached by those that have it, but by what lies above.
    seen = np.nextafter(np.quantile(values, 1.0 - share, method="higher"), np.inf)
    return float(max(seen if share * len(values) >= ENOUGH else max(gone_on, seen), 1e-9))


def _blocks(unusual: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Consecutive blocks of at least 500 rows, at most 400 of them."""
    rows = max(BLOCK_ROWS, -(-len(unusual) // MOST_BLOCKS))
    starts = np.arange(0, max(len(unusual) - rows + 1, 1), rows)
    sums = np.add.reduceat(unusual.astype(np.int64), starts)
    ends = np.append(starts[1:], len(unusual))
    return tuple((int(end - start), int(count)) for start, end, count in zip(starts, ends, sums, strict=True))
