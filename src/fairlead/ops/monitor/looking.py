"""Every check of one moment over one window: pure, so that live and rehearsal see alike."""

from __future__ import annotations

import dataclasses
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fairlead.contract.errors import FairleadError
from fairlead.contract.events import Finding, Window
from fairlead.contract.plugins import names, variant
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.calibration import Calibration
from fairlead.ops.monitor.identity import finding_id, plain
from fairlead.ops.monitor.joint import MEMORY, joining, joint_of
from fairlead.ops.monitor.levels import LEAST_ROWS
from fairlead.ops.monitor.seen import Moment, Seen, Told, WindowCheck
from fairlead.ops.monitor.windows import DAY

UNABLE = "unable:"
"""How the checks of findings begin that say that a check failed; they are no alarms of statistics."""


class Looked(NamedTuple):
    """findings: as if nothing had been open before. memories: of every check by its name, for the next window.

    told: why each check spoke or was silent, what is nearest to its limit first. why: of the calibration.
    """

    findings: list[Finding]
    memories: dict[str, Any]
    told: tuple[Told, ...] = ()
    why: str = ""


def checks_of(moment: Moment) -> list[WindowCheck]:
    """Every check that looks at that moment, ours and third parties'."""
    found: list[WindowCheck] = [variant("window_check", name)() for name in names("window_check")]
    return [check for check in found if check.moment == moment]


def look(
    moment: Moment, seen: Seen, memories: Mapping[str, Any], seconds_per_row: float = 0.0, troubled: bool = False
) -> Looked:
    """Findings of all checks of that moment. An early look (a window still open) asks those alone that take one, and
    leaves their memories as they are. seconds_per_row: the pace of rows, for windows of rows. troubled: an alarm about
    performance stands, so that this window cannot join what is usual.
    """
    early = seen.window.state == "open"
    every = checks_of(moment)
    found: list[Finding] = []
    kept = dict(memories)
    why = ""
    if moment == "inputs":
        seen, why = _calibrated(seen, kept, seconds_per_row, troubled)
    sharing = Counter(check.family for check in every)
    each = {family: allowed(seen.settings, family, seconds_per_row) / n for family, n in sharing.items()}
    for check in every:
        if early and not check.early:
            continue
        mine = seen.for_check(memories.get(check.name))
        try:
            found += map(plain, check.look(mine, each[check.family]))
        except Exception as failure:
            # One check that fails, of a third party perhaps, must not keep all others from looking, window for window.
            found.append(unable(seen, check, moment, failure))
            continue
        if mine.kept and not early:
            kept[check.name] = mine.kept[0]
    return Looked(found, kept, tuple(sorted(seen.told, key=_nearness)), why)


def unable(seen: Seen, check: WindowCheck, moment: Moment, failure: Exception) -> Finding:
    """That a check could not look. Of faults that are no refusal of ours only kind and place are told: their words may
    hold what is in the rows."""
    if isinstance(failure, FairleadError):
        why = str(failure)
    else:
        last = traceback.extract_tb(failure.__traceback__)[-1]
        why = f"{type(failure).__name__} in {Path(last.filename).name}, line {last.lineno}"
    window, name = seen.window, f"{UNABLE}{check.name}"
    return Finding(
        id=finding_id(window.model, name, (), window.start), model=window.model,
        area="quality" if moment == "inputs" else "labels", check=name, window=window.index, since=window.start,
        size=1.0, low=1.0, high=1.0, unit="checks", severity="warning",
        message=f"the check {check.name} could not look at this window, the others did: {why}",
    )  # fmt: skip


def _calibrated(seen: Seen, kept: dict[str, Any], seconds_per_row: float, troubled: bool) -> tuple[Seen, str]:
    """With what the joint calibration says of the window; what it remembers goes into `kept`."""
    memory = kept.get(MEMORY)
    joint = seen.calibration or joint_of(seen.reference, seen.settings, seconds_per_row, memory, seen.signature)
    shown, part = shown_by(seen, joint)
    judged, largest = joint.judge(shown, seen.profile, seen.reference.profile)
    remembered = joining(memory, joint, seen.reference, seen.window, largest, troubled)
    if remembered is not None:
        kept[MEMORY] = remembered
    units = {s.name: s.unit for s in joint.statistics}
    told = [Told(name, key, one, units[name]) for name, by_key in judged.items() for key, one in by_key.items()]
    why = joint.why + part
    if seen.profile.rows < LEAST_ROWS:
        why += f"; {seen.profile.rows} rows are too few to be judged, {LEAST_ROWS} are needed"
    return dataclasses.replace(seen, judged=judged, told=told), why


def shown_by(seen: Seen, joint: Calibration) -> tuple[Window, str]:
    """The part of a window that its rows cover, and what is to be said of it: a week of which a server saw three days
    is compared with three days, as it cannot show what a week does.
    """
    window, block_s = seen.window, joint.grid.block_s
    if not block_s or seen.rows is None or not len(seen.rows.times):
        return window, ""
    slots = np.unique(np.floor(seen.rows.times / block_s + 1e-6))
    whole = round((window.end - window.start) / block_s)
    known = joint.grid.slots
    # A business that rests at weekends has rows of five days in every whole week.
    usual = whole * len(known) / max(float(known[-1] - known[0] + 1), 1.0) if len(known) else float(whole)
    if len(slots) >= np.floor(usual + 1e-6):
        return window, ""
    begin = float(slots[0]) * block_s
    unit = "days" if block_s >= DAY else "hours"
    part = f"; it has rows of {len(slots)} of its {whole} {unit} and is compared with as many"
    return msgspec.structs.replace(window, start=begin, end=begin + len(slots) * block_s, state="open"), part


def _nearness(told: Told) -> tuple[bool, float]:
    judged = told.judged
    return not judged.speaks, -judged.value / judged.limit if judged.limit > 0 else 0.0
