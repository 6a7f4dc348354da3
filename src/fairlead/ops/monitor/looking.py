"""Every check of one moment over one window: pure, so that live and rehearsal see alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.contract.events import Finding
from fairlead.contract.plugins import names, variant
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.seen import Moment, Seen, WindowCheck


class Looked(NamedTuple):
    """findings: as if nothing had been open before. memories: of every check by its name, for the next window."""

    findings: list[Finding]
    memories: dict[str, Any]


def checks_of(moment: Moment) -> list[WindowCheck]:
    """Every check that looks at that moment, ours and third parties'."""
    found: list[WindowCheck] = [variant("window_check", name)() for name in names("window_check")]
    return [check for check in found if check.moment == moment]


def look(moment: Moment, seen: Seen, memories: Mapping[str, Any], seconds_per_row: float = 0.0) -> Looked:
    """Findings of all checks of that moment. An early look (a window still open) asks those alone that take one, and
    leaves memories as they are. seconds_per_row: the pace of rows, for windows of rows.
    """
    early = seen.window.state == "open"
    every = checks_of(moment)
    found: list[Finding] = []
    kept = dict(memories)
    for check in every:
        if early and not check.early:
            continue
        sharing = sum(other.family == check.family for other in every)
        mine = dataclasses.replace(seen, memory=memories.get(check.name), kept=[])
        found += check.look(mine, allowed(seen.settings, check.family, seconds_per_row) / sharing)
        if mine.kept and not early:
            kept[check.name] = mine.kept[0]
    return Looked(found, kept)
