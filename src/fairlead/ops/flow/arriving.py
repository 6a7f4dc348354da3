"""The door, looked at in every pass: whether anything comes, and what is refused."""

from __future__ import annotations

import msgspec

from fairlead.contract.events import Finding
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.arrivals import Lived, lived_on, refusals, silence, told_by_the_clock
from fairlead.ops.monitor.budget import PARTS
from fairlead.ops.monitor.identity import plain

SHARE = 0.1
"""Part of the budget of inputs that silences at the door may take."""

REFUSED = range(400, 423)
NOT_OF_ROWS = (401, 403, 404, 413)
MOST_REASONS = 50


def look_at_door(ws: Workspace) -> list[Finding]:
    """Counters of the servers of this home since the pass before; returns the findings that began."""
    counted = _counted(ws)
    if counted is None:
        return []
    answered, refused, firsts = counted
    name = f"door:{ws.model}"
    known = ws.state.get(name)
    before = None if known is None else msgspec.json.decode(known, type=Lived)
    lived = lived_on(before, answered, refused, ws.clock())
    allowed = ws.settings.monitor.false_alarms_per_month * PARTS["inputs"] * SHARE
    silent = silence(lived, ws.model, allowed)
    found = [*([silent] if silent is not None else []), *refusals(lived, ws.model, firsts)]
    with ws.state.transaction():
        ws.state.put(name, msgspec.json.encode(lived))
        return _settle(ws, found, lived.looked)


def _settle(ws: Workspace, found: list[Finding], at: float) -> list[Finding]:
    """What goes on keeps its name; what is not found any more has ended."""
    standing = {(f.check, f.columns): f for f in ws.state.findings(ws.model) if told_by_the_clock(f.check)}
    started = []
    for finding in map(plain, found):
        known = standing.pop((finding.check, finding.columns), None)
        if known is None:
            started.append(finding)
        else:
            finding = msgspec.structs.replace(finding, id=known.id, since=known.since, first=known.first)
        ws.state.put_finding(finding)
    for finding in standing.values():
        if ws.state.close_finding(finding.id, at):
            ws.outbox.all_clear(finding, at)
    # With the finding: what is over before the next look has an incident to be told of.
    bring_up_to_date(ws.state, ws.clock())
    return started


def _counted(ws: Workspace) -> tuple[int, dict[str, int], dict[str, float]] | None:
    """Requests answered so far, and those refused for their rows by `cause|column`, and since when; None where no
    server counts.
    """
    from fairlead.runtime.serve.counters import read_counters
    from fairlead.runtime.serve.observing.errors import error_groups

    paths = sorted(ws.home.run.glob("counters-*.bin"))
    if not paths:
        return None
    answered = sum(
        int(cells[0])
        for series, cells in read_counters(paths).items()
        if series[0] == "requests" and series[1] == ws.model and series[5].startswith("2")
    )
    refused: dict[str, int] = {}
    firsts: dict[str, float] = {}
    for group in error_groups(ws.home.run):
        of_rows = group.code in REFUSED and group.code not in NOT_OF_ROWS
        if group.model == ws.model and of_rows and len(refused) < MOST_REASONS:
            refused[f"{group.cause}|{group.column}"] = group.count
            firsts[f"{group.cause}|{group.column}"] = group.first
    return answered, refused, firsts
