"""Why each check of the newest windows spoke or was silent, kept for `watch --explain`, bounded."""

from __future__ import annotations

import math

import msgspec

from fairlead.contract.events import Window
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import Looked
from fairlead.ops.monitor.budget import JOINT, PARTS
from fairlead.ops.monitor.looking import UNABLE
from fairlead.ops.monitor.windows import DAY, MONTH_DAYS

NEWEST = 4
MOST_LINES = 200


class Line(msgspec.Struct, frozen=True):
    """One check and key. p: how often units of the reference went as far; None where it is not known."""

    check: str
    key: str
    value: float | None
    limit: float | None
    usual: float | None
    speaks: bool
    why: str
    unit: str = ""
    against: str = ""
    p: float | None = None
    provisional: bool = False


class ToldWindow(msgspec.Struct, frozen=True):
    """One look at one window. state: of the window then; "open" for an early look. left_out: lines beyond the bound."""

    index: int
    start: float
    end: float
    rows: int
    state: str
    calibration: str
    lines: tuple[Line, ...]
    left_out: int = 0


def told_of(ws: Workspace) -> tuple[ToldWindow, ...]:
    """The newest windows, oldest first."""
    found = ws.state.get(_name(ws))
    return () if found is None else msgspec.json.decode(found, type=tuple[ToldWindow, ...])


def tell(ws: Workspace, window: Window, looked: Looked) -> None:
    """Keep what was said of a window, in the caller's transaction; what an earlier look said of it is replaced."""
    lines = tuple(
        Line(
            one.check, one.key, _finite(one.judged.value), _finite(one.judged.limit), _finite(one.judged.usual),
            bool(one.judged.speaks), one.judged.why, one.unit, one.judged.against, _finite(one.judged.p),
            bool(one.judged.provisional),
        )
        for one in looked.told[:MOST_LINES]
    )  # fmt: skip
    made = ToldWindow(
        window.index, window.start, window.end, window.rows, window.state, looked.why, lines,
        max(len(looked.told) - MOST_LINES, 0),
    )  # fmt: skip
    before = told_of(ws)
    if window.state == "scored":
        # What was said of its labels stands beside what was said of its inputs.
        kept = next((known for known in before if known.index == window.index), made)
        every = (*(line for line in kept.lines if line not in made.lines), *made.lines)
        lines = tuple(sorted(every, key=_nearness))[:MOST_LINES]
        made = msgspec.structs.replace(kept, state="scored", lines=lines)
    others = [known for known in before if known.index != window.index]
    ws.state.put(_name(ws), msgspec.json.encode(sorted([*others, made], key=lambda one: one.index)[-NEWEST:]))


class Spent(msgspec.Struct, frozen=True):
    """The budget and what of it was used. alarms: findings that began in the 30 days to `until`, infos left out."""

    a_month: float
    alarms: int
    until: float
    parts: dict[str, float]


def spent(ws: Workspace, until: float) -> Spent:
    """How many alarms began in the newest 30 days of event time, beside how many may be false."""
    begun = [f for f in ws.state.findings(ws.model, open_only=False, last=500) if f.severity != "info"]
    # Rules and what callers or labels say themselves are no statistics: they are never a false alarm of a check.
    outside = ("contract", "infrastructure", "code", "alerts", "registry", "definition")
    facts = ("refused:", UNABLE)
    recent = [
        f for f in begun
        if until - MONTH_DAYS * DAY < f.since <= until and f.area not in outside and not f.check.startswith(facts)
    ]  # fmt: skip
    parts: dict[str, float] = {"jointly calibrated": JOINT, **{str(name): part for name, part in PARTS.items()}}
    return Spent(ws.settings.monitor.false_alarms_per_month, len(recent), until, parts)


def _nearness(line: Line) -> tuple[bool, float]:
    """What spoke first, then what came nearest to its limit, as `Looked.told`."""
    return not line.speaks, -line.value / line.limit if line.value and line.limit and line.limit > 0 else 0.0


def _name(ws: Workspace) -> str:
    return f"watch-told:{ws.model}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
