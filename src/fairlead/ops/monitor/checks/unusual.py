"""Whether more rows than usual are unlike any that the model was trained on, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Cause, Finding
from fairlead.contract.unusual import Unusual
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.extremes import chance_of_so_many
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.quality import wilson
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.statistic import Judged
from fairlead.runtime.bundle.unusual import Strangeness

LEAST_ROWS = 30
FEWEST = 5
"""Unusual rows below which nothing is said."""
LEAST_FACTOR = 3.0
"""How many times the usual share matters, however sure it is."""
REMEMBERED = 64
MOST_DAYS = 8
EXAMPLES = 3
LOOKS, SPENT = 30.0, 0.5
"""Early looks are worth about fifteen of a window's end however many there are, and take half of what is allowed."""
DAY = 86_400.0
AGAIN = 7 * DAY
"""Within this time a second day has to be odd, too: a holiday is one odd day, however many rows it has."""
NAMED = 0.1
"""Part of what makes rows unusual from which a column is named."""


class UnusualRows:
    """The share of rows beyond the limits sealed with the reference, against its blocks and earlier quiet windows."""

    name = "unusual"
    family: Family = "requests"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """At most one finding; silent for a reference that was sealed without limits."""
        limits, rows = seen.reference.unusual, seen.rows
        if limits is None or rows is None or len(rows.times) < LEAST_ROWS:
            return []
        strangeness = Strangeness(seen.reference.profile, seen.signature)
        cells = shown(strangeness, rows, seen.settings.capture.redact)
        if not cells:
            return []
        surprise, distance = strangeness.of_columns(cells)
        height = np.maximum(surprise / limits.surprise, distance / limits.distance)
        found = np.flatnonzero(height >= 1.0)
        n, count = len(height), len(found)
        earlier, odd = _remembered(seen.memory)
        p, usual = chance_of_so_many(count, n, [*limits.blocks, *earlier], limits.share / 2)
        # A window that is looked at again and again while it fills: simulated, see tests.
        rate = allowed / LOOKS if seen.window.state == "open" else allowed * (1.0 - SPENT)
        speaks = p <= rate and count >= FEWEST and count >= LEAST_FACTOR * usual * n
        why = f"{count} of {n} rows, usually {usual:.2%}; as many by chance with probability {p:.2g}"
        seen.tell("unusual", "", Judged(count / n, usual * LEAST_FACTOR, usual, speaks, False, p, why), "share of rows")
        if not speaks:
            seen.keep({"quiet": [*earlier, (n, count)][-REMEMBERED:], "odd": odd})
            return []
        days = odd_days(rows.times[found])
        again = len(days) > 1 or any(0 < abs(day - one) * DAY <= AGAIN for one in odd for day in days)
        seen.keep({"quiet": earlier, "odd": sorted({*odd, *days})[-MOST_DAYS:]})
        told = _finding(seen, strangeness, limits, rows, cells, found[np.argsort(-height[found])], (n, usual, p))
        return [told if again else _lone(told)]


def odd_days(times: np.ndarray) -> list[int]:
    """Days (UTC, since the epoch) on which there were as many unusual rows as anything is said from."""
    days, counts = np.unique(np.floor(times / DAY).astype(np.int64), return_counts=True)
    return [int(day) for day in days[counts >= FEWEST]] or [int(days[np.argmax(counts)])]


def _remembered(memory: Any) -> tuple[list[tuple[int, int]], list[int]]:
    """Rows and unusual rows of earlier quiet windows, and the newest odd days."""
    if memory is None:
        return [], []
    quiet = memory["quiet"] if isinstance(memory, dict) else memory
    odd = memory["odd"] if isinstance(memory, dict) else []
    return [(int(a), int(b)) for a, b in quiet], [int(day) for day in odd]


def _lone(told: Finding) -> Finding:
    """An odd day by itself informs: rows of one day are alike, and a holiday is no fault."""
    note = f"{told.message}; on one day alone, which is told as an alarm if another follows within a week"
    return msgspec.structs.replace(told, severity="info", message=note)


def shown(strangeness: Strangeness, rows: Rows, redacted: Sequence[str]) -> dict[str, Any]:
    """The columns that can be looked at: what is kept as a hash says nothing."""
    hidden = set(redacted)
    return {n: rows.columns[n] for n in strangeness.names if n in rows.columns and n not in hidden}


def reasons(
    strangeness: Strangeness, limits: Unusual, cells: Mapping[str, Any], chosen: np.ndarray
) -> list[tuple[str, float]]:
    """Which columns make these rows unusual, most first, each with its part of it."""
    shares = strangeness.shares({name: values[chosen] for name, values in cells.items()}, limits).mean(axis=0)
    ranked = sorted(zip(strangeness.names, shares.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [(name, share) for name, share in ranked if share >= NAMED][:5]


def _finding(
    seen: Seen, strangeness: Strangeness, limits: Unusual, rows: Rows, cells: Mapping[str, Any], found: np.ndarray,
    told: tuple[int, float, float],
) -> Finding:  # fmt: skip
    """found: numbers of the unusual rows, the most unusual first. told: rows, usual share, probability."""
    n, usual, p = told
    window, count = seen.window, len(found)
    why = reasons(strangeness, limits, cells, found[:1000])
    words = ", ".join(f"{name} ({share:.0%})" for name, share in why[:3])
    requests = rows.passed.get(names.REQUEST)
    told_ids = [] if requests is None else list(dict.fromkeys(str(requests[at]) for at in found[:50]))[:EXAMPLES]
    examples = f"; for example requests {', '.join(told_ids)}" if told_ids else ""
    by = f", most by {words}" if words else ""
    low, high = wilson(count, n)
    return Finding(
        id=finding_id(window.model, "unusual", (), window.start), model=window.model, area="requests",
        check="unusual", window=window.index, since=window.start, size=count / n, low=low, high=high,
        unit="share of rows",
        message=f"{count / n:.2%} of rows ({count} of {n:,}) are unlike those of training, usually {usual:.2%}"
                f"{by}{examples}",
        evidence={"limit": usual * LEAST_FACTOR, "usual": usual, "p": p, "rows": float(count)},
        first=first_minute(rows.times, found, usual),
        causes=tuple(Cause("column", name, round(share, 3), f"{share:.0%} of what makes these rows unusual")
                     for name, share in why),
    )  # fmt: skip


def first_minute(times: np.ndarray, found: np.ndarray, usual: float) -> float:
    """When it began: after it there were the most of them beyond the usual. As the start of a minute."""
    order = np.argsort(times, kind="stable")
    marked = np.zeros(len(times))
    marked[found] = 1.0
    ahead = np.concatenate(([0.0], np.cumsum(marked[order] - 2.0 * usual)))[:-1]
    at = float(times[order][int(np.argmin(ahead))])
    return float(np.floor(at / 60.0) * 60.0)
