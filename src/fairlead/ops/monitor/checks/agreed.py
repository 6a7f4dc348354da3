"""Whether the rows keep the data contract that people wrote: outside the budget of false alarms."""

from __future__ import annotations

import contextlib

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.contracts.judging import Agreed, Breach, judge
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen


class Contracted:
    """Every rule of the contract that the rows break."""

    name = "contract"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding a rule; `evidence` has its limit, the rows that break it, and the version where it is a number."""
        contract, rows = seen.contract, seen.rows
        if contract is None or rows is None:
            return []
        newest = float(rows.times.max()) if len(rows.times) else seen.window.start
        end = seen.window.end if seen.window.state != "open" else min(newest, seen.window.end)
        found = judge(contract, Agreed(rows.columns, rows.times, start=seen.window.start, end=end))
        return [_finding(seen, contract.version, breach) for breach in found]


def _finding(seen: Seen, version: str, breach: Breach) -> Finding:
    window, check = seen.window, f"contract:{breach.rule}"
    evidence = {"limit": breach.limit, "broken": float(breach.broken), "rows": float(breach.rows)}
    with contextlib.suppress(ValueError):
        evidence["contract"] = float(version)
    return Finding(
        id=finding_id(window.model, check, breach.columns, window.start), model=window.model, area="contract",
        check=check, window=window.index, since=window.start, size=breach.size, low=breach.low, high=breach.high,
        unit=breach.unit, message=f"contract {version}: {breach.message}", columns=breach.columns, evidence=evidence,
        first=breach.first,
    )  # fmt: skip
