"""Which findings are the same trouble: ids, and what began, went on and ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from fairlead.contract.events import Finding
from fairlead.contract.evidence import Interval


class Carried(NamedTuple):
    """started, continuing: findings of the newest window; ended: earlier ones that are over."""

    started: list[Finding]
    continuing: list[Finding]
    ended: list[Finding]


def finding_id(model: str, check: str, columns: tuple[str, ...], since: float) -> str:
    """Deterministic, so that a repeated pass, or another process, names the same trouble alike."""
    text = msgspec.json.encode([model, check, list(columns), round(since, 3)])
    return hashlib.sha256(text).hexdigest()[:24]


def carry(open_findings: Iterable[Finding], new_findings: Iterable[Finding]) -> Carried:
    """Match the findings of a window with those that were open before it.

    The same model, check and columns are the same trouble: it keeps id, `since`, `first` and `begun`. `new_findings` is
    all that the window shows; what is open and not in it has ended.
    """
    before = {(f.model, f.check, f.columns): f for f in open_findings}
    started, continuing = [], []
    for finding in map(plain, new_findings):
        known = before.pop((finding.model, finding.check, finding.columns), None)
        if known is None:
            started.append(finding)
        else:
            first = known.first if known.first is not None else finding.first
            begun = known.window if known.begun is None else known.begun
            lasting = msgspec.structs.replace(finding, id=known.id, since=known.since, first=first, begun=begun)
            continuing.append(lasting)
    return Carried(started, continuing, list(before.values()))


def plain(finding: Finding) -> Finding:
    """With Python's own numbers: those of numpy could not be kept."""
    cost = finding.cost
    if cost is not None:
        cost = Interval(float(cost.value), float(cost.low), float(cost.high))
    causes = tuple(msgspec.structs.replace(cause, weight=float(cause.weight)) for cause in finding.causes)
    return msgspec.structs.replace(
        finding, since=float(finding.since), size=float(finding.size), low=float(finding.low), high=float(finding.high),
        evidence={name: float(value) for name, value in finding.evidence.items()}, causes=causes,
        first=None if finding.first is None else float(finding.first), cost=cost,
    )  # fmt: skip
