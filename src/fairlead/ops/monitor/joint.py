"""The joint calibration as it is used: which statistics take part, kept while a process lives, joined by quiet windows.

A reference that is too short is made longer by what is lived through: a unit (see `grid.py`) joins with its largest
deviation alone, so that what is compared with stays the sealed reference and cannot slide. It joins if it was quiet:
nothing beyond the guessed limit, no alarm about performance standing, every look of it made. Units that were beyond
it count as if they had gone further than any other. It ends when the budget's limit is known; nothing joins after.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.events import Window
from fairlead.contract.plugins import names, variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.ops.monitor.calibration import Calibration, calibration_of
from fairlead.ops.monitor.statistic import Statistic
from fairlead.ops.monitor.windows import DAY, window_spec

MEMORY = "joint"
"""Name under which the joint calibration remembers, beside the checks."""

KEPT = 8
_known: OrderedDict[tuple[Any, ...], tuple[Reference, Calibration]] = OrderedDict()


def statistics_in_use(signature: Signature | None = None) -> tuple[Statistic, ...]:
    """The statistics of all checks, ours and third parties', each once.

    A check whose statistics depend on the model makes them by `statistics_for(signature)`.
    """
    found: dict[str, Statistic] = {}
    for name in names("window_check"):
        check = variant("window_check", name)
        made = check.statistics_for(signature) if signature is not None and hasattr(check, "statistics_for") else ()
        for statistic in (*getattr(check, "statistics", ()), *made):
            found.setdefault(statistic.name, statistic)
    return tuple(found.values())


def joint_of(
    reference: Reference, settings: Settings, seconds_per_row: float = 0.0, memory: Mapping[str, Any] | None = None,
    signature: Signature | None = None,
) -> Calibration:  # fmt: skip
    """What the reference, and quiet windows since where it is too short, say of windows like the project's."""
    # Where windows and blocks have their times, it does not matter how fast rows come.
    blocks = reference.blocks
    timed = window_spec(settings).timed and len(blocks) > 0 and all(block.end > 0 for block in blocks)
    pace = 0.0 if timed else _about(seconds_per_row)
    key = (id(reference), repr(settings.monitor), settings.model.time_columns, pace, _deciding(signature))
    if key not in _known:
        made = calibration_of(reference, settings, statistics_in_use(signature), pace)
        _known[key] = reference, made
        while len(_known) > KEPT:
            _known.popitem(last=False)
    found = _known[key][1]
    _known.move_to_end(key)
    if memory and memory.get("of") == _name(reference) and found.provisional:
        return dataclasses.replace(found, live=tuple(memory["units"]), excluded=int(memory["excluded"]))
    return found


def _deciding(signature: Signature | None) -> tuple[Any, ...]:
    """What of a model its statistics depend on."""
    if signature is None:
        return ()
    return signature.task, signature.outputs, signature.positive, signature.threshold, signature.confidence


def joining(
    memory: Mapping[str, Any] | None, calibration: Calibration, reference: Reference, window: Window, largest: float,
    troubled: bool,
) -> dict[str, Any] | None:  # fmt: skip
    """What is to be remembered after a look: None where nothing needs to. largest: deviation in this look.

    troubled: an alarm about performance stands.
    """
    if not calibration.provisional or not calibration.levels:
        return None
    kept = dict(memory or {})
    if kept.get("of") != _name(reference):
        kept = {
            "of": _name(reference),
            "units": [],
            "excluded": 0,
            "unit": None,
            "most": None,
            "looks": 0,
            "bad": False,
        }
    unit = int(np.floor(window.start / DAY)) if calibration.grid.by_day else window.index
    if kept["unit"] != unit:
        kept = _finished(kept, calibration) | {"unit": unit, "most": None, "looks": 0, "bad": False}
    if np.isfinite(largest):
        kept["most"] = largest if kept["most"] is None else max(kept["most"], largest)
    kept["looks"] += 1
    kept["bad"] = kept["bad"] or troubled
    if window.state != "open" and not calibration.grid.by_day:
        kept = _finished(kept, calibration) | {"unit": None}
    return kept


def _finished(kept: dict[str, Any], calibration: Calibration) -> dict[str, Any]:
    """With the unit that is over, where it may join."""
    expected = len(calibration.levels) if not calibration.grid.by_day else 1
    if kept["unit"] is None or kept["most"] is None or kept["bad"] or kept["looks"] < expected:
        return kept
    if kept["most"] > calibration.limit:
        return kept | {"excluded": kept["excluded"] + 1}
    return kept | {"units": [*kept["units"], round(float(kept["most"]), 6)]}


def _name(reference: Reference) -> str:
    profile = reference.profile
    return f"{profile.rows}:{profile.start:.0f}:{profile.end:.0f}:{len(reference.blocks)}"


def _about(seconds_per_row: float) -> float:
    """The pace to a fifth: a new row must not calibrate anew."""
    return float(2.0 ** (round(4.0 * np.log2(seconds_per_row)) / 4.0)) if seconds_per_row > 0 else 0.0
