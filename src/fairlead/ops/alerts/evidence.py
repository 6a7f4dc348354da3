"""What shows that two findings are of one trouble: pure, and the same whichever of the two is asked about first.

That two things began in one window is no evidence: a sensor that sticks and a world that changes may well do so in the
same week. What counts is what both are about, or what explains them both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from fairlead.contract.events import Area, Cause, Finding

LEAST_SHARED = 0.25
"""Least weight of a cause that two findings must both name to belong together."""

MANY = 4
"""Columns whose cells changed in one window from which on they have one source: so many at once are no coincidence."""

Why = Literal[
    "", "the same cause", "the same columns", "the same slice", "columns that go together", "the same loss",
    "the same labels", "the same arrivals", "the same resource", "many columns at once",
]  # fmt: skip
STRENGTH: tuple[Why, ...] = (
    "the same cause", "the same columns", "the same slice", "columns that go together", "the same loss",
    "the same labels", "the same arrivals", "the same resource", "many columns at once",
)  # fmt: skip
"""Strongest first."""

OF_ROWS: frozenset[Area] = frozenset(
    {"quality", "contract", "data_drift", "score_drift", "estimated", "requests", "traffic", "late",
     "performance", "concept_drift", "definition", "labels"}
)  # fmt: skip
HARM: frozenset[Area] = frozenset({"performance", "concept_drift"})
OF_CELLS: frozenset[Area] = frozenset({"quality", "contract", "data_drift"})
OF_BROKEN = frozenset({"stuck", "unit", "missing", "gaps", "imputed"})
OF_PAIRS = frozenset({"correlation"})
"""Checks that are about two columns, of which one may be as it always was."""
_OF_ANSWERS: frozenset[Area] = HARM | {"score_drift", "estimated"}
_VERSION = re.compile(r"(?:^(?P<variant>\w[\w-]*) \(version (?P<number>\d+)\)$)|(?:^bundle (?P<bundle>[0-9a-f]{12}))")


def evidence(one: Finding, other: Finding, crowds: Iterable[int] = ()) -> Why:
    """Why two findings belong together, empty where nothing says so. crowds: windows in which many columns changed."""
    if one.model != other.model:
        return ""
    ours, theirs = strong(one.causes), strong(other.causes)
    if {key for key in ours & theirs if key[0] != "time"}:
        return "the same cause"
    if (one.area in OF_ROWS) != (other.area in OF_ROWS):
        return ""
    apart = bool(ours) and bool(theirs) and not ours & theirs
    if one.area not in OF_ROWS:
        alike = one.area == other.area and one.check == other.check and one.columns == other.columns
        return "the same resource" if alike and not (apart and one.area == "code") else ""
    mine, others = about(one), about(other)
    if mine & others:
        return "the same columns"
    if one.segment and one.segment == other.segment:
        return "the same slice"
    if not (broken(one) or broken(other)) and (mine & set(other.akin) or others & set(one.akin)):
        return "columns that go together"
    return _by_kind(one, other, apart, frozenset(crowds))


def _by_kind(one: Finding, other: Finding, apart: bool, crowds: frozenset[int]) -> Why:
    """Of findings that share no name. apart: both are explained, each by something else."""
    areas = {one.area, other.area}
    together = began_together(one, other)
    if areas <= HARM and not apart:
        return "the same loss"
    if areas <= _OF_ANSWERS and together and not apart:
        return "the same loss"
    if areas & HARM and together and (_of_truth(one) or _of_truth(other)):
        return "the same labels"
    if together and _of_arrivals(one) and _of_arrivals(other):
        return "the same arrivals"
    crowded = together and begun_in(one) in crowds and areas <= OF_CELLS
    return "many columns at once" if crowded else ""


def began_together(one: Finding, other: Finding) -> bool:
    """Whether both began in one window, or at one moment; what belongs to no window began with nothing."""
    if one.window < 0 or other.window < 0:
        return False
    return one.since == other.since or begun_in(one) == begun_in(other)


def begun_in(finding: Finding) -> int:
    """The window in which it was first found."""
    return finding.window if finding.begun is None else finding.begun


def broken(finding: Finding) -> bool:
    """Whether its cells are wrong, rather than of a world that moved: what goes with a column moves with the world, not
    with its sensor."""
    return finding.check in OF_BROKEN or finding.check.startswith("refused")


def bridges(finding: Finding) -> bool:
    """Whether a finding shows that two others are of one trouble, by belonging to both.

    A note shows too little; and how two columns go together changes when either does: it is of that one's trouble, and
    says nothing about the other.
    """
    return finding.severity != "info" and finding.check not in OF_PAIRS


def strong(causes: Iterable[Cause]) -> set[tuple[str, str]]:
    """Causes that carry weight, by kind and name; a version by its number, its variant and its bundle alike."""
    found: set[tuple[str, str]] = set()
    for cause in causes:
        if cause.weight >= LEAST_SHARED:
            found |= _named(cause)
    return found


def _named(cause: Cause) -> set[tuple[str, str]]:
    if cause.kind not in ("version", "code"):
        return {(cause.kind, cause.name)}
    told = _VERSION.match(cause.name)
    names = [part for part in told.groups() if part] if told is not None else [cause.name]
    # Every release has a champion: only its version says which.
    return {("version", name) for name in names if name != "champion" or len(names) == 1}


def about(finding: Finding) -> set[str]:
    """Columns that a finding is about, or that explain it."""
    return set(finding.columns) | {name for kind, name in strong(finding.causes) if kind == "column"}


def crowds_of(findings: Iterable[Finding]) -> frozenset[int]:
    """Windows in which the cells of many different columns changed."""
    by_window: dict[int, set[str]] = {}
    for finding in findings:
        if finding.area in OF_CELLS and finding.severity != "info" and finding.window >= 0:
            by_window.setdefault(begun_in(finding), set()).update(finding.columns)
    return frozenset(window for window, columns in by_window.items() if len(columns) >= MANY)


def _of_truth(finding: Finding) -> bool:
    """Whether it says that labels mean something else, or are wrong: then a loss measured with them is of that."""
    return finding.area == "definition" or (finding.area == "labels" and finding.check.startswith("poisoned"))


def _of_arrivals(finding: Finding) -> bool:
    """Whether it is about how many rows come when, whoever sends them."""
    if finding.area in ("traffic", "late"):
        return True
    return finding.check == "duplicates" or finding.check.startswith("bursts")
