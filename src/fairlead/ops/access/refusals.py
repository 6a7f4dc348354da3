"""Purposes that the data plane refused, as events of the audit log.

The data plane has no database: it counts refusals by key and model in a file of each worker, which outlives
restarts and is bounded. A pass of the watcher turns what has been added since into one event a key and model, so
a caller that keeps asking cannot flood the log. What was seen moves in the transaction of the events: none is
told twice, none is lost.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from fairlead.contract.routes import Key
from fairlead.ops.audit import Audit
from fairlead.ops.state import State
from fairlead.runtime.serve.counters import read_counters

_SEEN = "refusals"
_MOST_FILES = 1000
Seen = dict[str, dict[str, float]]


def audit_refusals(state: State, audit: Audit, run: Path) -> int:
    """Record what was refused since the last call; how many events that made."""
    files = sorted(run.glob("refusals-*.bin"))[:_MOST_FILES]
    if not files:
        return 0
    seen = msgspec.json.decode(state.get(_SEEN) or b"{}", type=Seen)
    found: Seen = {}
    fresh: dict[tuple[str, ...], float] = {}
    for path in files:
        before = seen.get(path.name, {})
        counts = found[path.name] = {}
        for series, cells in read_counters([path]).items():
            if series[0] != "purpose":
                continue
            name = "\t".join(series)
            counts[name] = cells[0]
            # A file that was made anew counts from nothing.
            more = cells[0] - (before.get(name, 0.0) if before.get(name, 0.0) <= cells[0] else 0.0)
            if more > 0:
                fresh[series] = fresh.get(series, 0.0) + more
    if not fresh:
        return 0
    known = {row.key.id: row.key for row in state.api_keys()}
    with state.transaction():
        for series, times in sorted(fresh.items()):
            _, id, model, purpose = series
            _record(audit, known.get(id), id, model, purpose, int(times))
        state.put(_SEEN, msgspec.json.encode(found))
    return len(fresh)


def _record(audit: Audit, key: Key | None, id: str, model: str, purpose: str, times: int) -> None:
    name = key.name if key else id
    why = f"the key is for {purpose!r}, which is no intended use of the model"
    audit.record(f"key {name}", "purpose refused", model, why, {"id": id, "purpose": purpose, "times": times})
