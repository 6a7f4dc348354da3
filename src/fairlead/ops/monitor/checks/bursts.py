"""One caller, or one row key, that sends far more than usual; and callers whose rows look like probing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.extremes import largest_limit
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.statistic import Judged

MINUTE_S = 60.0
REMEMBERED = 52
CALLERS = 64
"""Callers whose usual peak is remembered."""
PSEUDO = 10.0
"""Rows a minute that are nothing yet: added to both sides of every comparison."""
LEAST_FACTOR = 3.0
LEAST_ROWS = 50
PROBED = 20_000
"""Rows of one caller that are compared with each other, at most."""


class Peak(NamedTuple):
    """The largest value of a window. size: what is told; log: what is judged, a logarithm. at: when."""

    size: float
    log: float
    who: str
    at: float
    rows: int


class Bursts:
    """Largest rows a minute of a caller, against the largest of earlier windows and against its own; of a key; and the
    share of a caller's rows that differ from another of its rows in one column alone."""

    name = "bursts"
    family: Family = "requests"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """At most one finding of each kind. Silent about rows that nobody is known to have sent."""
        rows = seen.rows
        if rows is None or len(rows.times) < LEAST_ROWS:
            return []
        memory: dict[str, Any] = seen.memory or {}
        own = dict(memory.get("peaks", {}))
        tried: dict[str, Callable[[], Peak | None]] = {
            "caller": lambda: busiest(rows, names.CALLER),
            "own": lambda: own_burst(rows, own),
            "key": lambda: busiest(rows, names.KEY),
            "probing": lambda: probing(seen, rows),
        }
        found: list[Finding] = []
        kept: dict[str, Any] = {}
        for kind, look in tried.items():
            peak = look()
            before = [float(value) for value in memory.get(kind, [])]
            kept[kind] = before
            if peak is None:
                continue
            finding = _judged(seen, kind, peak, before, allowed / len(tried))
            if finding is None:
                kept[kind] = [*before, peak.log][-REMEMBERED:]
            elif not any(f.causes == finding.causes for f in found):
                found.append(finding)
        quiet = not found
        seen.keep({**kept, "peaks": learnt_peaks(rows, own) if quiet else own})
        return found


def minutes_of(rows: Rows, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """(who, code, minute, rows): names, and for each of them and each minute with any how many rows; None without."""
    if column not in rows.passed:
        return None
    told = np.array([None if cell is None or cell != cell else str(cell) for cell in rows.passed[column]], dtype=object)
    known = np.array([cell is not None for cell in told], dtype=bool)
    if not known.any():
        return None
    who, codes = np.unique(told[known].astype(str), return_inverse=True)
    minute = np.floor(rows.times[known] / MINUTE_S).astype(np.int64)
    first = int(minute.min())
    width = int(minute.max()) - first + 1
    pairs, counts = np.unique(codes.astype(np.int64) * width + (minute - first), return_counts=True)
    return who, pairs // width, pairs % width + first, counts


def busiest(rows: Rows, column: str) -> Peak | None:
    """Whoever sent most rows in one minute; None where nobody is known, or everybody by one row."""
    found = minutes_of(rows, column)
    if found is None:
        return None
    who, code, minute, counts = found
    at = int(np.argmax(counts))
    most = float(counts[at])
    return Peak(most, math.log(most + PSEUDO), str(who[code[at]]), float(minute[at] * MINUTE_S), int(most))


def own_burst(rows: Rows, own: dict[str, float]) -> Peak | None:
    """Whoever left its own usual peak by most; None where no caller has been seen before."""
    found = minutes_of(rows, names.CALLER)
    if found is None or not own:
        return None
    who, code, minute, counts = found
    usual = np.array([own.get(str(name), np.nan) for name in who])[code]
    factors = (counts + PSEUDO) / (usual + PSEUDO)
    if np.isnan(factors).all():
        return None
    at = int(np.nanargmax(factors))
    return Peak(float(factors[at]), float(np.log(factors[at])), str(who[code[at]]), float(minute[at] * MINUTE_S),
                int(counts[at]))  # fmt: skip


def learnt_peaks(rows: Rows, own: dict[str, float]) -> dict[str, float]:
    """Usual peaks with those of this window, of the callers that send most. A peak is forgotten by a tenth a window."""
    found = minutes_of(rows, names.CALLER)
    if found is None:
        return own
    who, code, _, counts = found
    peaks = {name: 0.9 * value for name, value in own.items()}
    highest = np.zeros(len(who))
    np.maximum.at(highest, code, counts)
    for name, value in zip(who.tolist(), highest.tolist(), strict=True):
        peaks[name] = round(max(peaks.get(name, 0.0), value), 3)
    return dict(sorted(peaks.items(), key=lambda pair: (-pair[1], pair[0]))[:CALLERS])


def probing(seen: Seen, rows: Rows) -> Peak | None:
    """The caller of whose rows most differ from another of its own in exactly one column, as probes of a model do."""
    found = minutes_of(rows, names.CALLER)
    if found is None:
        return None
    who, code, minute, counts = found
    totals = np.bincount(code, weights=counts)
    best: Peak | None = None
    columns = [name for name in seen.signature.names if name in rows.columns and rows.columns[name].ndim == 1]
    if len(columns) < 2:
        return None
    for at in np.argsort(-totals)[:3]:
        if totals[at] < LEAST_ROWS:
            break
        mine = np.flatnonzero(np.array([cell == who[at] for cell in rows.passed[names.CALLER]], dtype=bool))[:PROBED]
        share = near_twins([rows.columns[name][mine] for name in columns])
        if best is None or share > best.size:
            begun = float(minute[code == at].min() * MINUTE_S)
            best = Peak(share, math.log(share + 0.01), str(who[at]), begun, len(mine))
    return best


def near_twins(columns: list[np.ndarray]) -> float:
    """Share of rows for which another row differs in one column alone. columns: (n,) each."""
    n = len(columns[0])
    random = np.random.default_rng(17)
    hashes = np.zeros((n, len(columns)), dtype=np.uint64)
    for at, cells in enumerate(columns):
        told = np.array([str(cell) for cell in cells]) if cells.dtype == object else cells
        codes = np.unique(told, return_inverse=True)[1]
        hashes[:, at] = random.integers(0, 2**63, int(codes.max()) + 1, dtype=np.uint64)[codes]
    whole = hashes.sum(axis=1, dtype=np.uint64)
    # Of rows that are the same altogether one is enough: repeats are no probes.
    _, kept = np.unique(whole, return_index=True)
    near = np.zeros(len(kept), dtype=bool)
    for at in range(len(columns)):
        rest = whole[kept] - hashes[kept, at]
        _, inverse, counts = np.unique(rest, return_inverse=True, return_counts=True)
        near |= counts[inverse] > 1
    return float(near.sum() / n)


SENT = "{rows:,} rows in one minute, {factor:.1f} times"
WORDS: dict[str, tuple[str, str]] = {
    "caller": ("rows in a minute", f"caller {{who}} sent {SENT} the most that a caller usually sends"),
    "own": ("times its own usual peak", f"caller {{who}} sent {SENT} its own usual peak"),
    "key": ("rows in a minute", f"key {{who}} came in {SENT} the most that a key usually does"),
    "probing": (
        "share of its rows",
        "of {rows:,} rows of caller {who} {size:.0%} differ from another of its rows in one column alone, as probes of"
        " a model do; usually {usual:.0%}",
    ),
}


def _size(kind: str, log: float) -> float:
    """What a logarithm that is judged stands for."""
    return math.exp(log) - {"probing": 0.01, "own": 0.0}.get(kind, PSEUDO)


def _judged(seen: Seen, kind: str, peak: Peak, before: list[float], allowed: float) -> Finding | None:
    limit = largest_limit(before, allowed)
    usual = max(before, default=0.0)
    probes = kind == "probing"
    # A floor beside the limit: what is not several times the most ever seen, or not many rows, is no burst.
    floor = usual + math.log(LEAST_FACTOR)
    enough = peak.rows >= LEAST_ROWS and (not probes or peak.size >= 0.5)
    speaks = limit is not None and peak.log > max(limit, floor) and enough
    shown = max(_size(kind, usual), 0.0) if before else 0.0
    beyond = math.inf if limit is None else _size(kind, max(limit, floor))
    why = f"{peak.size:.3g}, {'calibrating' if limit is None else f'limit {beyond:.3g}'}, most seen {shown:.3g}"
    judged = Judged(peak.size, beyond, shown, speaks, limit is None,
                    math.nan, why)  # fmt: skip
    seen.tell("bursts", kind, judged, WORDS[kind][0])
    if not speaks or limit is None:
        return None
    window = seen.window
    factor = peak.size if kind == "own" else math.exp(peak.log - usual)
    unit, words = WORDS[kind]
    who = peak.who if kind != "key" or len(peak.who) <= 16 else peak.who[:16] + "…"
    return Finding(
        id=finding_id(window.model, f"bursts:{kind}", (), window.start), model=window.model, area="requests",
        check=f"bursts_{kind}", window=window.index, since=window.start, size=peak.size, low=peak.size,
        high=peak.size, unit=unit,
        message=words.format(who=who, rows=peak.rows, factor=factor, size=peak.size, usual=shown),
        evidence={"limit": beyond, "usual": shown, "windows": float(len(before))},
        first=peak.at,
        causes=(Cause("source", f"{'key' if kind == 'key' else 'caller'} {who}", 1.0,
                      f"it sent {peak.rows:,} rows{' that were compared' if probes else ' in one minute'}"),),
    )  # fmt: skip
